"""U-Net: an image-to-image generator with skip connections at every resolution."""

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.arguments import Count, ImageShape
from advlearn.nets.network import Network, check_shape, positive, sizes

WIDEST = 8
"""Maximum number of channels, as a multiple of those of the first layer."""

DROPPED = 2
"""Number of layers after the innermost one that use dropout."""


@final
class UNetGenerator(Network):
    """Translate images by an encoder and a decoder with skip connections.

    Channels double with each halving up to 8 * base_channels. The last layer takes the features
    concatenated to the input.

    Args:
        shape: Shape (C, H, W) of the input, from 4 pixels a side.
        channels: Channels of the output.
        base_channels: Channels at half the full resolution.
        dropout: Share of the features that are dropped in the two layers after the innermost one,
            in training.
        tanh_output: End in tanh, for data in [-1, 1].

    Raises:
        ValueError: A size below its minimum; in `forward` images of another shape.

    Example:
        >>> UNetGenerator((1, 28, 28), 3, base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 3, 28, 28])

    Reference: Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks",
        2017, section 3.2.1 and appendix 6.1.1 (generator architectures); Ronneberger et al.,
        "U-Net", 2015.

    Deviations: it stops halving at 2 or 3 pixels instead of 1; instance norm, which equals the
        paper's batch norm for a batch of one; dropout is off by default, and always in evaluation;
        a shortcut at full resolution; PyTorch's default initial weights.
    """

    def __init__(
        self,
        shape: ImageShape,
        channels: Count,
        base_channels: Count = 64,
        dropout: float = 0.0,
        tanh_output: bool = True,
    ) -> None:
        super().__init__()
        positive(channels=channels, base_channels=base_channels)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a number in [0, 1), got {dropout!r}")
        self.shape = sizes("shape", shape)
        self.channels = channels
        self.base_channels = base_channels
        self.dropout = dropout
        self.tanh_output = tanh_output
        if len(self.shape) != 3 or min(self.shape[1:]) < 4:
            raise ValueError(
                f"shape: expected (C, H, W) of at least 4 pixels a side, got {self.shape}"
            )
        depth = min(self.shape[1:]).bit_length() - 2
        wide = [base_channels * min(2**k, WIDEST) for k in range(depth)]
        self.down = nn.ModuleList(
            _down(before, after, first=k == 0, last=k == depth - 1)
            for k, (before, after) in enumerate(pairwise([self.shape[0], *wide]))
        )
        # From the innermost layer outwards; all others take the features and a shortcut.
        narrow = [*reversed(wide[:-1]), base_channels]
        inputs = [wide[-1], *(2 * n for n in narrow[:-1])]
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(i, o, 4, 2, 1) for i, o in zip(inputs, narrow, strict=True)
        )
        self.after = nn.ModuleList(
            nn.Sequential(
                nn.InstanceNorm2d(o, affine=True),
                JointDropout(dropout if k < DROPPED else 0.0),
                nn.ReLU(),
            )
            for k, o in enumerate(narrow)
        )
        self.last = nn.Conv2d(base_channels + self.shape[0], channels, 3, 1, 1)
        self.output = nn.Tanh() if tanh_output else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to images (N, channels, H, W)."""
        check_shape("x", x, self.shape)
        shortcuts = [x]
        for layer in self.down:
            shortcuts.append(layer(shortcuts[-1]))
        h = shortcuts.pop()
        for up, after in zip(self.up, self.after, strict=True):
            shortcut = shortcuts.pop()
            h = torch.cat([after(up(h, output_size=list(shortcut.shape[2:]))), shortcut], 1)
        return self.output(self.last(h))


@final
class JointDropout(nn.Module):
    """Apply dropout with the random numbers of the joint batch, the same for any process count.

    Args:
        p: Share of the features that are dropped in training; the others grow by 1 / (1 - p).

    Example:
        >>> bool((JointDropout(0.5).eval()(torch.ones(3)) == 1).all())
        True
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop values of samples of any shape; same shape."""
        if not self.training or not self.p:
            return x
        return x * (distributed.rand(*x.shape, like=x) >= self.p) / (1 - self.p)


def _down(before: int, after: int, *, first: bool, last: bool) -> nn.Module:
    """Halve the image; the first layer and the innermost one have no norm."""
    activation: list[nn.Module] = [] if first else [nn.LeakyReLU(0.2)]
    norm: list[nn.Module] = [] if first or last else [nn.InstanceNorm2d(after, affine=True)]
    return nn.Sequential(*activation, nn.Conv2d(before, after, 4, 2, 1), *norm)
