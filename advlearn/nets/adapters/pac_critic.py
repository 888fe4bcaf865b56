"""PacGAN: a critic that scores several samples jointly and so detects mode collapse."""

from typing import ClassVar, final

from torch import Tensor, nn

from advlearn.core.arguments import Count, checked
from advlearn.nets.network import positive


@checked
@final
class PacCritic(nn.Module):
    r"""Score packs of m samples, concatenated along their first axis; all m get the pack's score.

    .. math:: s(x_1) = \dots = s(x_m) = net([x_1, \dots, x_m])

    Args:
        net: Module that scores packs: images (N / m, m * C, H, W) or vectors (N / m, m * d).
        pack: m.

    Raises:
        ValueError: `pack` below 1; in `forward` a batch that is not a multiple of it.

    Example:
        >>> import torch
        >>> PacCritic(nn.Linear(6, 1), pack=3)(torch.zeros(12, 2)).shape
        torch.Size([12, 1])

    Reference: Lin et al., "PacGAN: The power of two samples in generative adversarial networks",
    2018, section 3.

    Deviations: a pack's score is repeated for each of its samples, so weights and counts refer to
        samples; a mean over scores is the same.
    """

    mixes_samples: ClassVar[bool] = True

    def __init__(self, net: nn.Module, pack: Count = 2) -> None:
        super().__init__()
        positive(pack=pack)
        self.net = net
        self.pack = pack

    def forward(self, x: Tensor) -> Tensor:
        """Score samples (N, C, ...): one row per sample, equal within a pack."""
        if len(x) % self.pack:
            raise ValueError(f"x: expected a multiple of {self.pack} samples (pack), got {len(x)}")
        return self.net(x.unflatten(0, (-1, self.pack)).flatten(1, 2)).repeat_interleave(
            self.pack, 0
        )
