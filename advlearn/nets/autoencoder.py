"""Energy critic that scores a sample by its reconstruction error."""

from collections.abc import Sequence
from typing import Literal, final

from torch import Tensor, nn

from advlearn.core.arguments import Count, Natural
from advlearn.nets.blocks.resolution import fits
from advlearn.nets.families.dcgan import DCGANCritic, DCGANGenerator
from advlearn.nets.mlp import MLPCritic, MLPGenerator
from advlearn.nets.network import Network, check_shape, positive, sizes


@final
class AutoencoderCritic(Network):
    r"""Score a sample by the negated error of an autoencoder: a high score means real.

    .. math:: s(x) = -\tfrac{1}{D} \sum_d |AE(x)_d - x_d|^p

    with p = 1 for "l1" and 2 for "l2". Images, series and volumes with sides from 8 get a
    convolutional encoder and decoder. All other samples get perceptrons of two hidden layers.

    Args:
        shape: Shape of one sample.
        base_channels: Channels at half the resolution of images; size of the hidden layers for
            vectors is 4 * base_channels.
        code: Size of the code.
        classes: Number of classes; 0 for an unconditional critic, else the decoder takes the code
            and an embedding of the class.
        norm: "l1" or "l2".

    Raises:
        ValueError: A size below 1 or an unknown norm; in `forward` samples of another shape, or
            classes missing.

    Example:
        >>> import torch
        >>> AutoencoderCritic((2,), base_channels=8, code=1)(torch.zeros(5, 2)).shape
        torch.Size([5])

    Reference: Zhao, Mathieu, LeCun, "Energy-based Generative Adversarial Network", 2017, section
        2.3; Berthelot, Schumm, Metz, "BEGAN", 2017, equation 1 for "l1".

    Deviations: the error is a mean over dimensions instead of a norm, which makes a margin
        independent of the shape.
    """

    def __init__(
        self,
        shape: Sequence[int],
        base_channels: Count = 64,
        code: Count = 32,
        classes: Natural = 0,
        norm: Literal["l1", "l2"] = "l1",
    ) -> None:
        super().__init__()
        positive(base_channels=base_channels, code=code)
        if norm not in ("l1", "l2"):
            raise ValueError(f"norm: expected l1 or l2, got {norm!r}")
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.code = code
        self.classes = classes
        self.norm: Literal["l1", "l2"] = norm
        self.encoder, self.decoder = _halves(self.shape, base_channels, code, classes)

    def encode(self, x: Tensor) -> Tensor:
        """Return the codes (N, code) of samples (N, *shape)."""
        check_shape("x", x, self.shape)
        return self.encoder(x).reshape(len(x), self.code)

    def reconstruct(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return AE(x), (N, *shape)."""
        return self.decoder(self.encode(x), y)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score samples (N, *shape) by the negated error per dimension, (N,)."""
        error = (self.reconstruct(x, y) - x).flatten(1)
        return -(error.abs() if self.norm == "l1" else error.square()).mean(dim=1)


def _halves(
    shape: tuple[int, ...], base_channels: int, code: int, classes: int
) -> tuple[nn.Module, nn.Module]:
    if fits(shape):
        decoder = DCGANGenerator(
            code, shape, base_channels, classes, norm="none", tanh_output=False
        )
        return DCGANCritic(shape, code, base_channels), decoder
    hidden = (4 * base_channels, 4 * base_channels)
    return MLPCritic(shape, code, hidden), MLPGenerator(code, shape, hidden, classes)
