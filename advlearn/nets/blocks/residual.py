"""Residual blocks that double or halve a feature map, and the trunks of SNGAN, SAGAN and BigGAN."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

from torch import Tensor, nn
from torch.nn.functional import interpolate, relu
from torch.nn.utils import parametrizations

from advlearn.core.arguments import Count, Natural, checked
from advlearn.nets.blocks.attention import SelfAttention
from advlearn.nets.blocks.conditional import ConditionalBatchNorm
from advlearn.nets.network import check_shape, positive

SIDES = (16, 28, 32, 64, 128)
"""Sides of the square images that the trunks are built for."""


@checked
@final
class UpBlock(nn.Module):
    r"""Double the sides of a feature map with a generator's residual block.

    .. math:: y = up(W_s x) + W_2 \rho(N_2(W_1\, up(\rho(N_1(x, c))), c))

    W_1 and W_2 are 3 x 3 convolutions, W_s is a 1 x 1 convolution, up repeats each value, rho is
    ReLU, and N_1 and N_2 are batch norms, conditional on c if there is one.

    Args:
        before: Input channels.
        after: Output channels.
        condition: Size of c; 0 for none.

    Example:
        >>> import torch
        >>> UpBlock(8, 4)(torch.randn(2, 8, 4, 4)).shape
        torch.Size([2, 4, 8, 8])

    Reference: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
        figure 8 (right).

    Deviations: the convolutions have no bias, unlike those of the authors' code. A bias is a
        constant per channel that the following norm removes; only self-attention between the two
        could depend on it.
    """

    def __init__(self, before: Count, after: Count, condition: Natural = 0) -> None:
        super().__init__()
        self.norm1 = ConditionalBatchNorm(before, condition)
        self.conv1 = _convolution(before, after, bias=False)
        self.norm2 = ConditionalBatchNorm(after, condition)
        self.conv2 = _convolution(after, after, bias=False)
        self.shortcut = _shortcut(before, after, bias=False)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Map (N, before, H, W), and vectors (N, condition) if any, to (N, after, 2H, 2W)."""
        branch = self.conv1(_doubled(relu(self.norm1(x, c))))
        # The 1 x 1 convolution commutes with the doubling and is four times cheaper before it.
        return _doubled(self.shortcut(x)) + self.conv2(relu(self.norm2(branch, c)))


@checked
@final
class DownBlock(nn.Module):
    r"""Apply a critic's residual block, without norms.

    .. math:: y = W_s\, down(x) + down(W_2 \rho(W_1 \rho(x)))

    Args:
        before: Input channels.
        after: Output channels.
        halves: Whether to average 2 x 2 positions (down).
        first: Whether x is an image, on which the inner rho is left out.

    Example:
        >>> import torch
        >>> DownBlock(3, 8, first=True)(torch.randn(2, 3, 8, 8)).shape
        torch.Size([2, 8, 4, 4])

    Reference: Miyato et al. 2018, "Spectral Normalization for Generative Adversarial Networks",
        figure 8 (left and middle).
    """

    def __init__(
        self, before: Count, after: Count, *, halves: bool = True, first: bool = False
    ) -> None:
        super().__init__()
        self.enter = nn.Identity() if first else nn.ReLU()
        self.conv1 = _convolution(before, after)
        self.conv2 = _convolution(after, after)
        self.shortcut = _shortcut(before, after) if halves or before != after else nn.Identity()
        self.down = nn.AvgPool2d(2) if halves else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, before, H, W) to (N, after, H/2, W/2), or to the same sides."""
        return self.shortcut(self.down(x)) + self.down(self.conv2(relu(self.conv1(self.enter(x)))))


@final
class UpTrunk(nn.Module):
    """Map a vector to an image: a linear layer, `UpBlock`s, a norm, ReLU, a convolution, tanh.

    Args:
        latent: Size of the vector.
        shape: Shape (C, H, W) of an image; H = W, one of `SIDES`.
        base_channels: As for `up_channels`.
        conditions: Size of the vector that each block is conditioned on; 0 for none.
        attention: Side of the feature map that `SelfAttention` is applied to; None for none.
        tanh_output: End in tanh.

    Example:
        >>> import torch
        >>> UpTrunk(8, (3, 16, 16), 2, (0, 0))(torch.randn(2, 8), (None, None)).shape
        torch.Size([2, 3, 16, 16])
    """

    def __init__(
        self,
        latent: Count,
        shape: tuple[int, ...],
        base_channels: Count,
        conditions: Sequence[int],
        attention: int | None = None,
        tanh_output: bool = True,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels)
        sides, channels = grids(shape), up_channels(shape, base_channels)
        self.grid = (channels[0], sides[0], sides[0])
        self.project = nn.Linear(latent, channels[0] * sides[0] ** 2)
        blocks = [UpBlock(*pair, c) for pair, c in zip(pairwise(channels), conditions, strict=True)]
        self.blocks = nn.ModuleList(blocks)
        self.attention = (
            SelfAttention(channels[sides.index(attention)]) if attention is not None else None
        )
        self.attended = attention
        self.norm = ConditionalBatchNorm(channels[-1])
        self.last = _convolution(channels[-1], shape[0], gain=1.0)
        self.output = nn.Tanh() if tanh_output else nn.Identity()
        nn.init.xavier_uniform_(self.project.weight)
        nn.init.zeros_(self.project.bias)

    def forward(self, z: Tensor, conditions: Sequence[Tensor | None]) -> Tensor:
        """Map vectors (N, latent) and one condition per block (or None) to images (N, C, H, W)."""
        x = self.project(z).unflatten(1, self.grid)
        for block, c in zip(self.blocks, conditions, strict=True):
            x = block(x, c)
            if self.attention is not None and x.shape[2] == self.attended:
                x = self.attention(x)
        return self.output(self.last(relu(self.norm(x))))


@final
class DownTrunk(nn.Module):
    """Map an image to a vector: `DownBlock`s, ReLU, the sum over all positions.

    Args:
        shape: Shape (C, H, W) of an image; H = W, one of `SIDES`.
        base_channels: As for `down_channels`.
        attention: Side of the feature map that `SelfAttention` is applied to; None for none.

    Attributes:
        features: Size of the vector.

    Example:
        >>> import torch
        >>> DownTrunk((3, 16, 16), 2)(torch.randn(5, 3, 16, 16)).shape
        torch.Size([5, 2])
    """

    def __init__(
        self, shape: tuple[int, ...], base_channels: Count, attention: int | None = None
    ) -> None:
        super().__init__()
        positive(base_channels=base_channels)
        side, layers = shape[1], list[nn.Module]()
        for k, (before, after, halves) in enumerate(down_channels(shape, base_channels)):
            layers.append(DownBlock(before, after, halves=halves, first=k == 0))
            side = side // 2 if halves else side
            if halves and side == attention:
                layers.append(SelfAttention(after))
            self.features = after
        self.layers = nn.Sequential(*layers)
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to vectors (N, features)."""
        check_shape("x", x, self.shape)
        return relu(self.layers(x)).sum(dim=(2, 3))


def grids(shape: tuple[int, ...]) -> list[int]:
    """Return the sides of the feature maps from the smallest to the image.

    Example:
        >>> grids((1, 28, 28)), grids((3, 32, 32))
        ([7, 14, 28], [4, 8, 16, 32])
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] not in SIDES:
        raise ValueError(
            f"shape: expected (C, H, W) with H = W of {', '.join(map(str, SIDES))}, got {shape}"
        )
    sides = [shape[1]]
    while sides[0] % 2 == 0 and sides[0] > 7:
        sides.insert(0, sides[0] // 2)
    return sides


def attended(shape: tuple[int, ...], largest: int) -> int:
    """Return the side of the feature map with attention: half the image's, at most `largest`.

    Example:
        >>> attended((3, 32, 32), 32), attended((3, 128, 128), 64)
        (16, 64)
    """
    return min(grids(shape)[-2], largest)


def up_channels(shape: tuple[int, ...], base_channels: int) -> list[int]:
    """Return the channels of a generator's feature maps, from the smallest to the image.

    Example:
        >>> up_channels((3, 32, 32), 256), up_channels((3, 128, 128), 64)
        ([256, 256, 256, 256], [1024, 1024, 512, 256, 128, 64])
    """
    sides = grids(shape)
    if shape[1] <= 32:
        return [base_channels] * len(sides)
    after = [base_channels * 2**level for level in reversed(range(len(sides) - 1))]
    return [after[0], *after]


def down_channels(shape: tuple[int, ...], base_channels: int) -> list[tuple[int, int, bool]]:
    """Return the channels before and after each block of a critic, and whether it downsamples.

    Up to 32 pixels, two blocks downsample and two do not, all with the same number of channels.
    Above, the channels double with each halving, and one more block follows.

    Example:
        >>> down_channels((3, 32, 32), 128)
        [(3, 128, True), (128, 128, True), (128, 128, False), (128, 128, False)]
        >>> [after for _, after, _ in down_channels((3, 128, 128), 64)]
        [64, 128, 256, 512, 1024, 1024]
    """
    halvings = len(grids(shape)) - 1
    if shape[1] <= 32:
        after, halves = [base_channels] * 4, [True, True, False, False]
    else:
        after = [base_channels * 2**level for level in range(halvings)]
        after, halves = [*after, after[-1]], [True] * halvings + [False]
    return list(zip([shape[0], *after[:-1]], after, halves, strict=True))


def normalise(generator: nn.Module) -> None:
    """Apply spectral norm to all convolutions and linear layers outside conditional norms.

    Conditional norms start at zero, which has no largest singular value to divide by.
    """
    inside = {
        id(m)
        for norm in generator.modules()
        if isinstance(norm, ConditionalBatchNorm)
        for m in norm.modules()
    }
    for layer in list(generator.modules()):
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and id(layer) not in inside:
            parametrizations.spectral_norm(layer)


def _doubled(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="nearest")


def _convolution(before: int, after: int, *, bias: bool = True, gain: float = 2**0.5) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, 3, padding=1, bias=bias)
    nn.init.xavier_uniform_(layer.weight, gain)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _shortcut(before: int, after: int, *, bias: bool = True) -> nn.Conv2d:
    layer = nn.Conv2d(before, after, 1, bias=bias)
    nn.init.xavier_uniform_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
