"""Pairwise distances in blocks, so that two sets of ten thousand rows fit in memory."""

from collections.abc import Iterator

import torch
from torch import Tensor

_BLOCK = (
    1 << 20
)  # float64 entries of one block of a distance matrix: 8 MiB, which an allocator keeps for the next
_WIDE = 64  # above this width the matrix-product form is several times faster, and exact enough in float64


def distances(x: Tensor, y: Tensor) -> Tensor:
    """Euclidean distances between the rows of two float64 tensors: (N, d), (M, d) -> (N, M)."""
    if x.shape[1] <= _WIDE:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    # The product form loses digits in proportion to the squared norms: centre before it.
    centre = y.mean(dim=0)
    return torch.cdist(x - centre, y - centre, compute_mode="use_mm_for_euclid_dist")


def distance_blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of rows of the distance matrix, with the rows of `x` each of them covers."""
    height = max(1, _BLOCK // y.shape[0])
    for start in range(0, x.shape[0], height):
        here = slice(start, min(start + height, x.shape[0]))
        yield here, distances(x[here], y)


def own_distance_blocks(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Distances within one set, half of them left out: pairs inside a block of rows, and theirs to all later rows."""
    for start in range(0, x.shape[0], height := max(1, _BLOCK // x.shape[0])):
        block = distances(x[start : start + height], x[start:])
        yield block[:, :height], block[:, height:]


def neighbour_radius(x: Tensor, k: int) -> Tensor:
    """Distance of each row to its k-th nearest other row: float64 (N, d) -> (N,); needs k < N."""
    radius = x.new_empty(x.shape[0])
    for here, block in distance_blocks(x, x):
        own = torch.arange(here.start, here.stop, device=x.device)
        block[own - here.start, own] = torch.inf
        radius[here] = block.kthvalue(k, dim=1).values
    return radius


def median_distance(x: Tensor, y: Tensor, limit: int = 2000) -> float:
    """Median of the positive distances between the pooled rows; 1.0 where all rows coincide.

    Above `limit` pooled rows an evenly spaced part of them is used, so the result needs no random
    numbers.
    """
    pooled = torch.cat([x, y])
    if pooled.shape[0] > limit:
        pooled = pooled[torch.linspace(0, pooled.shape[0] - 1, limit, device=x.device).long()]
    gaps = torch.pdist(pooled)
    gaps = gaps[gaps > 0]
    return float(gaps.median()) if gaps.numel() else 1.0
