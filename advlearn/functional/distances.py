"""Pairwise distances: differentiable ones for losses, and ones in blocks for large sets."""

from collections.abc import Iterator

import torch
from torch import Tensor

# Up to this dimension differences are computed directly: exact for near points, with little
# memory.
_DIRECT = 8
# Entries of one block of a float64 distance matrix: 8 MiB, which the allocator reuses.
_BLOCK = 1 << 20
# Above this dimension the matrix product is several times faster, and exact enough in float64.
_WIDE = 64


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Compute squared Euclidean distances, twice differentiable.

    Args:
        x: Vectors (N, d).
        y: Vectors (M, d).

    Returns:
        Squared distances (N, M).

    Example:
        >>> squared_distances(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[25.]])
    """
    if x.shape[1] <= _DIRECT:
        return (x[:, None] - y[None]).square().sum(2)
    # Centring keeps the distances and reduces the rounding error of the subtraction below.
    centre = y.detach().mean(0)
    x, y = x - centre, y - centre
    with torch.autocast(x.device.type, enabled=False):  # bf16 is too coarse for the subtraction
        products = x @ y.T
    return (x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * products).clamp(min=0)


def safe_sqrt(squares: Tensor) -> Tensor:
    """Compute a square root whose gradient at zero is zero, not infinite.

    Example:
        >>> safe_sqrt(torch.tensor([0.0, 4.0]))
        tensor([0., 2.])
    """
    positive = squares > 0
    return torch.where(positive, torch.where(positive, squares, 1.0).sqrt(), 0.0)


def distance_matrix(x: Tensor, y: Tensor) -> Tensor:
    """Compute Euclidean distances between rows of float64 tensors: (N, d), (M, d) to (N, M)."""
    if x.shape[1] <= _WIDE:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    # The matrix product loses digits in proportion to the squared norms, so centre first.
    centre = y.mean(dim=0)
    return torch.cdist(x - centre, y - centre, compute_mode="use_mm_for_euclid_dist")


def distance_blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows of the distance matrix, with the rows of `x` that each covers."""
    height = max(1, _BLOCK // y.shape[0])
    for start in range(0, x.shape[0], height):
        here = slice(start, min(start + height, x.shape[0]))
        yield here, distance_matrix(x[here], y)


def own_distance_blocks(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield distances within one set: of each block of rows to itself, and to all later rows."""
    for start in range(0, x.shape[0], height := max(1, _BLOCK // x.shape[0])):
        block = distance_matrix(x[start : start + height], x[start:])
        yield block[:, :height], block[:, height:]


def neighbour_radius(x: Tensor, k: int) -> Tensor:
    """Compute the distance (N,) of each row of (N, d) to its k-th nearest other row; k < N."""
    radius = x.new_empty(x.shape[0])
    for here, block in distance_blocks(x, x):
        own = torch.arange(here.start, here.stop, device=x.device)
        block[own - here.start, own] = torch.inf
        radius[here] = block.kthvalue(k, dim=1).values
    return radius


def median_distance(x: Tensor, y: Tensor, limit: int = 2000) -> float:
    """Compute the median of the positive distances between the pooled rows; 1.0 if all are equal.

    Above `limit` pooled rows, an evenly spaced subset is used, without random numbers.
    """
    pooled = torch.cat([x, y])
    if pooled.shape[0] > limit:
        pooled = pooled[torch.linspace(0, pooled.shape[0] - 1, limit, device=x.device).long()]
    gaps = torch.pdist(pooled)
    gaps = gaps[gaps > 0]
    return float(gaps.median()) if gaps.numel() else 1.0
