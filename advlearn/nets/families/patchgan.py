"""PatchGAN: a critic that scores each patch of an image separately."""

from itertools import pairwise
from typing import Literal, final

from torch import Tensor, nn
from torch.nn.functional import unfold

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.nets.network import Network, check_shape, positive, sizes, squeeze_score

KERNEL = 4
"""Side of every convolution."""

WIDEST = 8
"""Maximum number of channels, as a multiple of those of the first layer."""


@final
class PatchGANCritic(Network):
    r"""Map an image to a grid of scores, one per square patch, by convolutions.

    .. math:: \text{side of a patch} = 9 \cdot 2^h - 2, \qquad
        \text{side of the grid} = \lfloor side / 2^h \rfloor - 2

    h convolutions halve the image, and two more with the same kernel (4) nearly keep its size:
    patches have 7, 16, 34 or 70 pixels a side for h = 0 to 3. Channels double with each layer
    except the last, up to 8 * base_channels.

    Args:
        shape: Shape (C, H, W) of an image, or of several concatenated along the channels (see
            `ChannelConcatCritic`).
        out_features: Scores per sample, each the mean over its patches; None for one logit per
            patch.
        base_channels: Channels of the first layer.
        halvings: h.
        norm: "instance" or "none" after each inner layer.

    Raises:
        ValueError: A size below its minimum, or an image too small for the halvings; in
            `forward` images of another shape.

    Example:
        >>> import torch
        >>> critic = PatchGANCritic((2, 28, 28), base_channels=4, halvings=1)
        >>> critic(torch.zeros(3, 2, 28, 28)).shape, critic.patch
        (torch.Size([3, 144]), 16)

    Reference: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
        2017, section 3.2.2 and appendix 6.1.2 (discriminator architectures).

    Deviations: instance norm, which equals the paper's batch norm for a batch of one; its
        statistics are those of the whole image, so the score of a patch also depends on the image's
        mean and contrast. PyTorch's default initial weights.
    """

    def __init__(
        self,
        shape: ImageShape,
        out_features: int | None = None,
        base_channels: Count = 64,
        halvings: Natural = 3,
        norm: Literal["instance", "none"] = "instance",
    ) -> None:
        super().__init__()
        positive(
            base_channels=base_channels,
            **({} if out_features is None else {"out_features": out_features}),
        )
        if norm not in ("instance", "none"):
            raise ValueError(f"norm: expected instance or none, got {norm!r}")
        self.shape = sizes("shape", shape)
        self.out_features = out_features
        self.base_channels = base_channels
        self.halvings = halvings
        self.norm: Literal["instance", "none"] = norm
        if halvings < 0 or len(self.shape) != 3 or min(self.shape[1:]) >> halvings < 3:
            raise ValueError(
                f"shape: expected (C, H, W) of at least {3 << halvings} pixels a side, "
                f"got {self.shape}"
            )
        channels = [
            self.shape[0],
            *(base_channels * min(2**k, WIDEST) for k in range(halvings + 1)),
        ]
        self.layers = nn.Sequential()
        for k, (before, after) in enumerate(pairwise(channels)):
            self.layers.append(nn.Conv2d(before, after, KERNEL, 2 if k < halvings else 1, 1))
            if k and norm == "instance":
                self.layers.append(nn.InstanceNorm2d(after, affine=True))
            self.layers.append(nn.LeakyReLU(0.2))
        # The mean of a convolution over patches is a linear layer on mean patches. Regularizers of
        # features look for a last linear layer.
        self.last = (
            nn.Conv2d(channels[-1], 1, KERNEL, 1, 1)
            if out_features is None
            else nn.Linear(channels[-1] * KERNEL**2, out_features)
        )

    @property
    def patch(self) -> int:
        """Return the side of the patch that one score depends on, in pixels."""
        return 9 * 2**self.halvings - 2

    def forward(self, x: Tensor) -> Tensor:
        """Score images (N, C, H, W): (N, patches), or (N, out_features) if set."""
        check_shape("x", x, self.shape)
        h = self.layers(x)
        if self.out_features is None:
            return self.last(h).flatten(1)
        return squeeze_score(self.last(unfold(h, KERNEL, padding=1).mean(2)))
