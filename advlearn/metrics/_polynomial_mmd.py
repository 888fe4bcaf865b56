"""The kernel distance of KID: the squared MMD with a polynomial kernel, of many subsets."""

import torch
from torch import Tensor

_BLOCK = 250
"""Rows of a block of the kernel. It is symmetric, so each pair of blocks is computed once."""
_KERNEL_VALUES = 2**24
"""Values of a kernel of all samples up to which subsets take theirs from it."""


def mmds_of_subsets(x: Tensor, y: Tensor, draws: list[tuple[Tensor, ...]], degree: int) -> Tensor:
    """Compute the unbiased squared MMD of each pair of subsets, (subsets,).

    Args:
        x: Float64 (N, d).
        y: Float64 (M, d).
        draws: Indices of a subset of each, all of one size.
        degree: Degree of the polynomial kernel.
    """
    pairs_of_all, d = max(len(x), len(y)) ** 2, x.shape[1]
    # Products of the kernel and of the rows that choose from it, and those of subset by subset.
    joint, apart = pairs_of_all * (d + len(draws)), len(draws) * len(draws[0][0]) ** 2 * d
    if joint <= apart and pairs_of_all <= _KERNEL_VALUES:
        return _mmds_from_one_kernel(x, y, draws, degree)
    return _mmd_of_each_subset(x, y, draws, degree)


def _kernel(x: Tensor, y: Tensor, degree: int) -> Tensor:
    # In place, since allocations of n x n numbers cost as much as the power.
    return (x @ y.T).div_(x.shape[1]).add_(1.0).pow_(degree)


def _mmds_from_one_kernel(
    x: Tensor, y: Tensor, draws: list[tuple[Tensor, ...]], degree: int
) -> Tensor:
    """Compute the MMD of each pair of subsets from one kernel of all samples."""
    of_x, of_y = (_kernel(z, z, degree).fill_diagonal_(0.0) for z in (x, y))
    across, n = _kernel(x, y, degree), len(draws[0][0])
    # The products multiply pairs outside a subset by zero, and infinity times zero is NaN.
    sizes = torch.stack([torch.linalg.vector_norm(k, 1) for k in (of_x, of_y, across)])
    if not bool(sizes.isfinite().all()):
        return _mmd_of_each_subset(x, y, draws, degree)
    size = max(1, _KERNEL_VALUES // max(len(x), len(y)))
    values: list[Tensor] = []
    for start in range(0, len(draws), size):
        part = draws[start : start + size]
        # Rows of ones at the samples of a subset, (subsets, N) and (subsets, M).
        in_x, in_y = (
            z.new_zeros(len(part), len(z)).scatter_(1, torch.stack([d[side] for d in part]), 1.0)
            for side, z in enumerate((x, y))
        )
        within = ((in_x @ of_x) * in_x).sum(1) + ((in_y @ of_y) * in_y).sum(1)
        values.append(within / (n * (n - 1)) - 2.0 / n**2 * ((in_x @ across) * in_y).sum(1))
    return torch.cat(values)


def _mmd_of_each_subset(
    x: Tensor, y: Tensor, draws: list[tuple[Tensor, ...]], degree: int
) -> Tensor:
    """Compute the MMD of each pair of subsets from kernels of the samples in it."""
    return torch.stack([polynomial_mmd(x[i], y[j], degree) for i, j in draws])


def polynomial_mmd(x: Tensor, y: Tensor, degree: int) -> Tensor:
    """Compute the unbiased squared MMD of two sets of one size, in blocks."""
    n = len(x)

    def within(z: Tensor) -> Tensor:
        """Sum the kernel over all pairs of different rows; each pair of blocks is computed once."""
        total, end = z.new_zeros(()), 0
        for block in z.split(_BLOCK):
            end += len(block)
            # Subtracting the trace from the sum would be infinity minus infinity at an overflow.
            total = total + _kernel(block, block, degree).fill_diagonal_(0.0).sum()
            if end < len(z):
                total = total + 2.0 * _kernel(block, z[end:], degree).sum()
        return total

    across = sum(_kernel(block, y, degree).sum() for block in x.split(_BLOCK))
    return (within(x) + within(y)) / (n * (n - 1)) - 2.0 / n**2 * across
