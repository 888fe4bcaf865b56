"""Plan the feature maps of networks of any size, and pad or crop samples to them."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

SMALLEST = 8
"""Smallest side of a sample."""

MOST = 8
"""Largest number of channels of a feature map, in multiples of those at half resolution."""

CONVOLUTIONS = (
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)
"""Convolutions of series, images and volumes."""

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""Batch norms of series, images and volumes."""

_FINEST = 7  # a side above it is halved
_COARSEST = 15  # with a larger smallest side, samples are padded until it can be halved


class Plan(NamedTuple):
    """The feature maps between a sample and the smallest grid.

    Args:
        grid: Sides of the smallest grid.
        doublings: How often they are doubled.
    """

    grid: tuple[int, ...]
    doublings: int


def fits(shape: Sequence[int]) -> bool:
    """Return whether convolutional networks of any size can be built for samples of this shape.

    Example:
        >>> fits((1, 28, 28)), fits((3, 30, 47)), fits((2, 100)), fits((2,))
        (True, True, True, False)
    """
    return 2 <= len(shape) <= 4 and min(shape[1:]) >= SMALLEST


def plan(shape: Sequence[int]) -> Plan:
    """Return the smallest grid and how often it is doubled up to the sample.

    Sides are halved while they are even and above 7. Where that ends early, the sides are rounded
    up so that the smallest one is halved until it is 4 to 7.

    Args:
        shape: Shape (C, L), (C, H, W) or (C, D, H, W) of a sample.

    Raises:
        ValueError: A shape that does not fit.

    Example:
        >>> plan((1, 28, 28)), plan((3, 30, 47))
        (Plan(grid=(7, 7), doublings=2), Plan(grid=(4, 6), doublings=3))
    """
    if not fits(shape):
        raise ValueError(
            f"shape: expected (C, L), (C, H, W) or (C, D, H, W) with sides from {SMALLEST}, "
            f"got {tuple(shape)}"
        )
    sides, doublings = list(shape[1:]), 0
    while all(side % 2 == 0 for side in sides) and min(sides) > _FINEST:
        sides, doublings = [side // 2 for side in sides], doublings + 1
    square = len(set(shape[1:])) == 1 and shape[1] % 4 == 0 and shape[1] <= 64
    if square or (doublings >= 2 and min(sides) <= _COARSEST):
        return Plan(tuple(sides), doublings)
    doublings = 0
    while -(-min(shape[1:]) // 2**doublings) > _FINEST:
        doublings += 1
    return Plan(tuple(-(-side // 2**doublings) for side in shape[1:]), doublings)


def square_plan(shape: Sequence[int]) -> tuple[int, int]:
    """Return the side of the smallest grid of square images, and how often it is doubled.

    Args:
        shape: Shape (C, H, W) with H = W, a multiple of 4 from 8 to 64.

    Raises:
        ValueError: Another shape.

    Example:
        >>> square_plan((1, 28, 28)), square_plan((3, 64, 64))
        ((7, 2), (4, 4))
    """
    if len(shape) != 3 or shape[1] != shape[2] or shape[1] % 4 or not 8 <= shape[1] <= 64:
        raise ValueError(
            f"shape: expected (C, H, W) with H = W a multiple of 4 from 8 to 64, got {tuple(shape)}"
        )
    (side, _), doublings = plan(shape)
    return side, doublings


def widths(base_channels: int, doublings: int) -> list[int]:
    """Return the channels of the feature maps, the finest first.

    Example:
        >>> widths(16, 5)
        [16, 32, 64, 128, 128]
    """
    return [base_channels * min(2**level, MOST) for level in range(doublings)]


def padded(x: Tensor) -> Tensor:
    """Pad samples with zeros around to the sides of their plan."""
    extra = [full - side for full, side in zip(_full(x.shape[1:]), x.shape[2:], strict=True)]
    if not any(extra):
        return x
    # torch pads the last axis first.
    return pad(x, [part for size in reversed(extra) for part in (size // 2, size - size // 2)])


def cropped(x: Tensor, shape: Sequence[int]) -> Tensor:
    """Cut samples of the sides of a plan to the shape that the plan is of."""
    for axis, side in enumerate(shape[1:], start=2):
        x = x.narrow(axis, (x.shape[axis] - side) // 2, side) if x.shape[axis] > side else x
    return x


def convolution(axes: int) -> Callable[..., nn.Module]:
    """Return the class of convolutions along a number of axes."""
    return CONVOLUTIONS[axes - 1]


def transposed_convolution(axes: int) -> Callable[..., nn.Module]:
    """Return the class of transposed convolutions along a number of axes."""
    return CONVOLUTIONS[axes + 2]


def norm_layer(axes: int) -> Callable[..., nn.Module]:
    """Return the class of batch norms of samples with a number of axes."""
    return NORMS[axes - 1]


def _full(shape: Sequence[int]) -> list[int]:
    grid, doublings = plan(shape)
    return [side * 2**doublings for side in grid]


def edges_repeated(x: Tensor) -> Tensor:
    """Pad images by one pixel on each side with their outermost values.

    The gradient of PyTorch's replication padding depends on the order of additions on CUDA, and
    inductor cannot compile it where a gradient is in channels-last order.

    Args:
        x: Images (N, C, H, W).

    Returns:
        Images (N, C, H + 2, W + 2).

    Example:
        >>> edges_repeated(torch.tensor([[[[1.0, 2.0]]]]))[0, 0, 0]
        tensor([1., 1., 2., 2.])
    """
    x = torch.cat((x[:, :, :1], x, x[:, :, -1:]), 2)
    return torch.cat((x[..., :1], x, x[..., -1:]), 3)
