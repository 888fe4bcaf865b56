"""Pairwise distances: differentiable ones for losses, and ones in blocks for large sets."""

from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor

# Up to this dimension differences are computed directly: exact for near points, with little
# memory.
_DIRECT = 8
# Entries of one block of a float64 distance matrix: 8 MiB, which the allocator reuses.
_BLOCK = 1 << 20
# Above this dimension the matrix product is several times faster, and exact enough in float64.
_WIDE = 64
# Squared distances below this share of the squared norms are rounding of the matrix product.
_ROUNDING = 1e-12


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
    """Compute Euclidean distances between rows of float64 tensors: (N, d), (M, d) to (N, M).

    Equal rows have distance zero at every width.
    """
    if x.shape[1] <= _WIDE:
        return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")
    return _WideDistances(x, y).block(slice(0, len(x)))


def row_codes(x: Tensor) -> Tensor:
    """Compute a code (N,) of each row of a float64 tensor; equal rows have equal codes.

    The codes of two different rows are equal with a probability of about 2^-64.
    """
    generator = torch.Generator().manual_seed(0)
    weights = torch.randint(-(2**63), 2**63 - 1, (x.shape[1],), generator=generator).to(x.device)
    weights = weights | 1  # an odd weight keeps every bit of its column
    height = max(1, _BLOCK // x.shape[1])
    # Integers overflow without rounding; adding 0.0 turns -0.0 into 0.0.
    parts = [(_mixed((part + 0.0).view(torch.int64)) * weights).sum(1) for part in x.split(height)]
    return torch.cat(parts)


def _mixed(bits: Tensor) -> Tensor:
    """Spread the high bits of a float, which tell short numbers apart, over the low ones."""
    return bits ^ (bits >> 32) ^ (bits >> 47)


@final
class _WideDistances:
    """Compute blocks of distances by the matrix product, and near ones directly.

    Args:
        x: Vectors (N, d).
        y: Vectors (M, d).
    """

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self.x, self.y = x, y
        # The matrix product loses digits in proportion to the squared norms, so centre first.
        self.centre = y.mean(dim=0)
        self.b = y - self.centre
        self.b_squares = self.b.square().sum(1)
        self.codes = row_codes(x)[:, None], row_codes(y)

    def block(self, here: slice) -> Tensor:
        """Compute the distances of the rows `here` of `x` to all rows of `y`."""
        a = self.x[here] - self.centre
        a_squares = a.square().sum(1)[:, None]
        squares = torch.addmm(self.b_squares.expand(len(a), -1), a, self.b.T, alpha=-2.0)
        squares.add_(a_squares)
        equal = self.codes[0][here] == self.codes[1]
        near = (squares < _ROUNDING * (a_squares + self.b_squares)).logical_and_(~equal)
        distances = squares.clamp_(min=0.0).sqrt_().masked_fill_(equal, 0.0)
        rows, columns = near.nonzero(as_tuple=True)
        distances[rows, columns] = paired_distances(self.x[here], self.y, rows, columns)
        return distances


def paired_distances(x: Tensor, y: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Compute the distance of row `rows[i]` of `x` to row `columns[i]` of `y`, directly.

    The result for two rows does not depend on the other rows, so ties are exact.
    """
    height = max(1, _BLOCK // x.shape[1])
    parts = [
        (x[i] - y[j]).square_().sum(1).sqrt_()
        for i, j in zip(rows.split(height), columns.split(height), strict=True)
    ]
    return torch.cat(parts) if parts else x.new_empty(0)


def distance_blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows of the distance matrix, with the rows of `x` that each covers."""
    wide = _WideDistances(x, y) if x.shape[1] > _WIDE else None
    # The matrix product is faster on higher blocks.
    height = max(1, (_BLOCK if wide is None else 4 * _BLOCK) // y.shape[0])
    for start in range(0, x.shape[0], height):
        here = slice(start, min(start + height, x.shape[0]))
        yield here, distance_matrix(x[here], y) if wide is None else wide.block(here)


def own_distance_blocks(x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield distances within one set: of each block of rows to itself, and to all later rows."""
    for start in range(0, x.shape[0], height := max(1, _BLOCK // x.shape[0])):
        block = distance_matrix(x[start : start + height], x[start:])
        yield block[:, :height], block[:, height:]


def neighbour_radius(x: Tensor, k: int) -> Tensor:
    """Compute the distance (N,) of each row of (N, d) to its k-th nearest other row; k < N."""
    neighbour = torch.empty(x.shape[0], dtype=torch.int64, device=x.device)
    for here, block in distance_blocks(x, x):
        own = torch.arange(here.start, here.stop, device=x.device)
        block[own - here.start, own] = torch.inf
        neighbour[here] = block.kthvalue(k, dim=1).indices
    return paired_distances(x, x, torch.arange(len(x), device=x.device), neighbour)


def rounding(x: Tensor, y: Tensor) -> Tensor:
    """Return the largest error of a squared distance between rows of `x` and `y`, a scalar."""
    centre = y.mean(dim=0)
    largest = [(z - centre).square().sum(1).max() for z in (x, y)]
    return _ROUNDING * (largest[0] + largest[1])


def below(
    distances: Tensor,
    radius: Tensor,
    x: Tensor,
    y: Tensor,
    error: Tensor,
    *,
    boundary: bool = False,
) -> Tensor:
    """Return which distances are below a radius, decided exactly where they tie.

    Args:
        distances: Distances (N, M) between `x` and `y`.
        radius: Radii (N, 1) or (M,), from `neighbour_radius`.
        x: Vectors (N, d).
        y: Vectors (M, d).
        error: Largest error of a squared distance, from `rounding`.
        boundary: Whether a distance equal to the radius is inside.
    """
    inside = distances <= radius if boundary else distances < radius
    tied = (distances - radius).abs_().mul_(torch.maximum(distances, radius)) <= error
    rows, columns = tied.logical_and_(distances > 0).nonzero(as_tuple=True)
    exact = paired_distances(x, y, rows, columns)
    limit = radius.expand_as(distances)[rows, columns]
    inside[rows, columns] = exact <= limit if boundary else exact < limit
    return inside


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
