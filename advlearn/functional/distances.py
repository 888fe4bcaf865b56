"""Pairwise distances: differentiable ones for losses, and ones in blocks for large sets."""

from collections.abc import Iterator, Sequence
from typing import Literal, final

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
# Rows are centred if their mean holds more than this share of the squared norms.
_FAR = 0.9
# Entries of rows whose differences stay in the cache.
_CACHED = 1 << 17


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
    return Distances(x, y).block(slice(0, len(x)))


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


def paired_distances(x: Tensor, y: Tensor, rows: Tensor | None, columns: Tensor) -> Tensor:
    """Compute the distance of row `rows[i]` of `x` to row `columns[i]` of `y`, directly.

    Without `rows` it is that of row i of `x`. The result for two rows does not depend on the other
    rows, so ties are exact.
    """
    if len(columns) == 1:  # a sum over one row may be split between threads, which rounds otherwise
        first = columns.new_zeros(1) if rows is None else rows
        return paired_distances(x, y, first.repeat(2), columns.repeat(2))[:1]
    height = max(2, _CACHED // x.shape[1])
    # Buffers, since new memory for each part costs more than the subtraction.
    size = min(len(columns), 2 * height), x.shape[1]
    right, left = x.new_empty(size), x.new_empty(size if rows is not None else (0, 0))
    norms, start = x.new_empty(len(columns)), 0
    for j in _at_least_two(columns, height):
        here = slice(start, start + len(j))
        b = torch.index_select(y, 0, j, out=right[: len(j)])
        a = x[here] if rows is None else torch.index_select(x, 0, rows[here], out=left[: len(j)])
        norms[here] = torch.linalg.vector_norm(b.sub_(a), dim=1)
        start += len(j)
    return norms


def _at_least_two(indices: Tensor, height: int) -> Sequence[Tensor]:
    """Split indices into parts of about `height`, none with one only."""
    return indices.tensor_split(max(1, len(indices) // height)) if len(indices) else ()


@final
class _Points:
    """Hold rows (N, d), and what the matrix product of distances needs of them.

    Args:
        x: Rows, float64.
    """

    def __init__(self, x: Tensor) -> None:
        self.x = self.centred = x
        self.squares = torch.linalg.vector_norm(x, dim=1).square_()

    def subtract(self, centre: Tensor) -> None:
        """Subtract a vector (d,)."""
        self.centred = self.x - centre
        self.squares = torch.linalg.vector_norm(self.centred, dim=1).square_()


@final
class Distances:
    """Compute Euclidean distances between the rows of two sets, in blocks of rows.

    Equal rows have distance zero at every width. Above 64 columns distances are computed by the
    matrix product, and directly where it leaves only rounding.

    Args:
        x: Vectors (N, d), float64.
        y: Vectors (M, d), float64; None for the distances within `x`.
    """

    def __init__(self, x: Tensor, y: Tensor | None = None) -> None:
        first = _Points(x)
        second = first if y is None or y is x else _Points(y)
        self._set(first, second)
        if self.wide:
            # The matrix product loses digits in proportion to the squared norms.
            centre = second.x.mean(dim=0)
            if centre.square().sum() > _FAR * second.squares.mean():
                for points in {first, second}:
                    points.subtract(centre)

    def _set(self, first: _Points, second: _Points) -> None:
        self.first, self.second = first, second
        self.x, self.y = first.x, second.x
        self.within = first is second
        self.wide = first.x.shape[1] > _WIDE

    def own(self) -> tuple["Distances", "Distances"]:
        """Return the distances within the first and within the second set."""
        both = (Distances.__new__(Distances), Distances.__new__(Distances))
        for part, points in zip(both, (self.first, self.second), strict=True):
            part._set(points, points)
        return both

    @property
    def error(self) -> Tensor:
        """Return a bound of the error of a squared distance, a scalar."""
        return _ROUNDING * (self.first.squares.max() + self.second.squares.max())

    def blocks(self) -> Iterator[tuple[slice, Tensor]]:
        """Yield blocks of rows of the matrix, with the rows of `x` that each covers."""
        for here in self._parts():
            yield here, self.block(here)

    def later_blocks(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield distances within one set: of a block of rows to itself, and to all later rows."""
        for here in self._parts():
            block, height = self.block(here, here.start), here.stop - here.start
            yield block[:, :height], block[:, height:]

    def _parts(self) -> Iterator[slice]:
        # The matrix product is faster on higher blocks.
        height = max(1, (4 * _BLOCK if self.wide else _BLOCK) // len(self.y))
        for start in range(0, len(self.x), height):
            yield slice(start, min(start + height, len(self.x)))

    def block(self, here: slice, start: int = 0) -> Tensor:
        """Compute the distances of the rows `here` of `x` to the rows of `y` from `start` on."""
        if not self.wide:
            return torch.cdist(
                self.x[here], self.y[start:], compute_mode="donot_use_mm_for_euclid_dist"
            )
        a_squares, b_squares = self.first.squares[here, None], self.second.squares[start:]
        squares = (self.first.centred[here] @ self.second.centred[start:].T).mul_(-2.0)
        squares.add_(a_squares).add_(b_squares)
        near = squares < _ROUNDING * (a_squares + b_squares)
        if self.within:
            own = torch.arange(here.start, here.stop, device=squares.device)
            near[own - here.start, own - start] = False
            squares[own - here.start, own - start] = 0.0
        near = near.nonzero()
        distances = squares.clamp_(min=0.0).sqrt_()
        if len(near):
            self._refine(distances, near, here, start)
        return distances

    def _refine(self, distances: Tensor, near: Tensor, here: slice, start: int) -> None:
        """Replace distances that are only rounding by direct ones, and by zero for equal rows."""
        x, y = self.x[here], self.y[start:]
        rows, columns = near.unbind(1)
        # Of a collapsed generator every pair may be equal: codes are cheaper than differences.
        if len(near) > sum(distances.shape):
            equal = row_codes(x)[rows] == row_codes(y)[columns]
            distances[rows[equal], columns[equal]] = 0.0
            rows, columns = rows[~equal], columns[~equal]
        distances[rows, columns] = paired_distances(x, y, rows, columns)

    def radius(self, k: int) -> "Radius":
        """Compute the distance (N,) of each row of one set to its k-th nearest other row; k < N."""
        neighbour = torch.empty(len(self.x), dtype=torch.int64, device=self.x.device)
        values = self.x.new_empty(len(self.x))
        for here, block in self.blocks():
            own = torch.arange(here.start, here.stop, device=block.device)
            block[own - here.start, own] = torch.inf
            values[here], neighbour[here] = block.kthvalue(k, dim=1)
        return Radius(self.x, values, neighbour)


def distance_blocks(x: Tensor, y: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield blocks of rows of the distance matrix, with the rows of `x` that each covers."""
    return Distances(x, y).blocks()


@final
class Radius:
    """Hold the distance of each row to its k-th nearest other row; compute exact ones on demand.

    Args:
        x: Rows (N, d), float64.
        values: The distances (N,), with the error of the matrix product.
        neighbour: Indices (N,) of the neighbours.
    """

    def __init__(self, x: Tensor, values: Tensor, neighbour: Tensor) -> None:
        self.x = x
        self.values = values
        self.neighbour = neighbour

    def exact(self, rows: Tensor) -> Tensor:
        """Return the distances of some rows, computed directly."""
        return paired_distances(self.x, self.x, rows, self.neighbour[rows])


def below(
    distances: Distances,
    here: slice,
    block: Tensor,
    radius: Radius,
    of: Literal["rows", "columns"] = "rows",
    *,
    boundary: bool = False,
) -> Tensor:
    """Return which distances of a block are below a radius, decided exactly where they tie.

    Args:
        distances: Distances between two sets.
        here: The rows of the first set that the block covers.
        block: The block (n, M) of these rows.
        radius: Radii of the rows of one set.
        of: Whether that set is the first, the rows of the block, or the second, its columns.
        boundary: Whether a distance equal to the radius is inside.
    """
    limit = radius.values[here, None] if of == "rows" else radius.values
    inside = block <= limit if boundary else block < limit
    # An error e of a square changes a distance r by e / 2r, and one near zero by the root of e.
    # Both sides have an error, that of a radius at most 2 e.
    error = distances.error
    slack = torch.minimum(2 * error / limit, 3 * error.sqrt())
    tied = (block - limit).abs_() <= slack
    rows, columns = tied.nonzero(as_tuple=True)
    if len(rows):
        positive = block[rows, columns] > 0  # distances of zero are exact
        rows, columns = rows[positive], columns[positive]
        exact = paired_distances(distances.x, distances.y, rows + here.start, columns)
        edge = radius.exact(rows + here.start if of == "rows" else columns)
        inside[rows, columns] = exact <= edge if boundary else exact < edge
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
