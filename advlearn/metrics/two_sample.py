"""Distances between two sample sets by kernels: maximum mean discrepancy and energy distance."""

from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import torch
from torch import Tensor

from advlearn.core.checks import check_choice, check_number
from advlearn.metrics._checks import pair
from advlearn.metrics._distances import distance_blocks, median_distance, own_distance_blocks

Kernel = Literal["rbf", "rational-quadratic", "energy"]

_KERNELS = ("rbf", "rational-quadratic", "energy")
_MIXTURE = (0.25, 0.5, 1.0, 2.0, 4.0)  # multiples of the median distance
_ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)  # the mixture of Binkowski et al. 2018


def mmd(
    x: Tensor,
    y: Tensor,
    kernel: Kernel = "rbf",
    bandwidths: Sequence[float] | None = None,
    unbiased: bool = True,
) -> Tensor:
    r"""Squared maximum mean discrepancy, E k(x, x') + E k(y, y') - 2 E k(x, y).

    The kernels, with r the Euclidean distance, s the bandwidths, and a in 0.2, 0.5, 1, 2, 5:

        rbf                 k = mean_s exp(-r^2 / (2 s^2))
        rational-quadratic  k = mean_{s, a} (1 + r^2 / (2 a s^2))^(-a)
        energy              k = -r

    Args:
        x: Float (N, d).
        y: Float (M, d), on the device of `x`.
        kernel: One of the names above.
        bandwidths: Lengths s, in the units of the data. By default the median heuristic: s = m
            times 1/4, 1/2, 1, 2, 4 for rbf and s = m for rational-quadratic, where m is the median
            positive distance within the pooled samples (above 2000 of them, within 2000 evenly
            spaced ones), so values with different defaults do not compare. None for energy.
        unbiased: The U-statistic, which leaves out the pairs of a sample with itself, has the right
            mean and can be negative; otherwise the V-statistic, which is never negative and zero
            for equal sets.

    Returns:
        Float64 scalar: the square, no root is taken. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, fewer than two samples (unbiased), an
            unknown kernel, bandwidths that are not positive, or bandwidths for energy, which has
            none.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> mmd(x, x, unbiased=False).item()
        0.0
        >>> round(mmd(x, x + 2.0, bandwidths=[1.0], unbiased=False).item(), 4)
        1.1624

    Reference: Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, equations 3 (unbiased) and 5
    (biased); Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (rational quadratic).

    Deviations: kernels are averaged and not summed over the mixture, so that k(x, x) = 1.
    """
    first, second = pair(("x", "y"), x, y, at_least=2 if unbiased else 1)
    check_choice("kernel", kernel, _KERNELS)
    values = _kernel(kernel, _lengths(kernel, bandwidths, first, second))
    self_value = 0.0 if kernel == "energy" else 1.0
    within = sum(_within(z, values, self_value if unbiased else None) for z in (first, second))
    return within - 2.0 * _kernel_sum(first, second, values) / (first.shape[0] * second.shape[0])


def energy_distance(x: Tensor, y: Tensor, unbiased: bool = False) -> Tensor:
    r"""Energy distance, 2 E |x - y| - E |x - x'| - E |y - y'|.

    Args:
        x: Float (N, d).
        y: Float (M, d), on the device of `x`.
        unbiased: Whether the pairs of a sample with itself are left out; see `mmd`.

    Returns:
        Float64 scalar, in the units of the data. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or fewer than two samples (unbiased).

    Example:
        >>> energy_distance(torch.tensor([[0.0], [0.0]]), torch.tensor([[3.0]])).item()
        6.0

    Reference: Szekely and Rizzo, "Energy statistics: a class of statistics based on distances",
    2013; Sejdinovic et al., "Equivalence of distance-based and RKHS-based statistics", 2013 (as an
    MMD).

    Deviations: none. Note that `scipy.stats.energy_distance` is the square root of this.
    """
    return mmd(x, y, kernel="energy", unbiased=unbiased)


def _lengths(
    kernel: Kernel, bandwidths: Sequence[float] | None, x: Tensor, y: Tensor
) -> tuple[float, ...]:
    if kernel == "energy":
        if bandwidths is not None:
            raise ValueError(
                f"bandwidths: expected None, for the energy kernel has none, got {bandwidths!r}"
            )
        return ()
    if bandwidths is None:
        median = median_distance(x, y)
        return tuple(median * f for f in _MIXTURE) if kernel == "rbf" else (median,)
    if len(bandwidths) == 0:
        raise ValueError("bandwidths: expected at least one length, got none")
    return tuple(check_number("bandwidths", s, low=0.0, open_low=True) for s in bandwidths)


def _kernel(kernel: Kernel, lengths: tuple[float, ...]) -> Callable[[Tensor], Tensor]:
    """The kernel as a function of a block of distances."""

    def rbf(r: Tensor) -> Tensor:
        squares = r.square()
        return _mean(squares.mul(-0.5 / s**2).exp_() for s in lengths)

    def rational_quadratic(r: Tensor) -> Tensor:
        squares = r.square()
        return _mean(
            squares.div(2.0 * a * s**2).add_(1.0).pow_(-a) for s in lengths for a in _ALPHAS
        )

    return {"rbf": rbf, "rational-quadratic": rational_quadratic, "energy": torch.neg}[kernel]


def _mean(terms: Iterator[Tensor]) -> Tensor:
    """Mean of tensors of one shape; the first is overwritten."""
    total, count = next(terms), 1
    for term in terms:
        total.add_(term)
        count += 1
    return total.div_(count)


def _kernel_sum(x: Tensor, y: Tensor, values: Callable[[Tensor], Tensor]) -> Tensor:
    return sum((values(block).sum() for _, block in distance_blocks(x, y)), x.new_zeros(()))


def _within(x: Tensor, values: Callable[[Tensor], Tensor], self_value: float | None) -> Tensor:
    """Mean of the kernel over the pairs of one set; given its value at (x, x), without those pairs."""
    halves = (
        values(inside).sum() + 2.0 * values(beyond).sum()
        for inside, beyond in own_distance_blocks(x)
    )
    n, total = x.shape[0], sum(halves, x.new_zeros(()))
    return total / (n * n) if self_value is None else (total - n * self_value) / (n * (n - 1))
