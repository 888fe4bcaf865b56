"""Distances between two sample sets by kernels: maximum mean discrepancy and energy distance."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.functional import kernels
from advlearn.functional.distances import Distances
from advlearn.metrics._checks import pair

# Largest number of samples that determine the default bandwidths; of more, evenly spaced ones.
_MEDIAN_OF = 2000


@checked
def mmd(
    x: Tensor,
    y: Tensor,
    kernel: kernels.Kernel = "rbf",
    bandwidths: Sequence[float] | None = None,
    unbiased: bool = True,
) -> Tensor:
    r"""Compute the squared maximum mean discrepancy, E k(x, x') + E k(y, y') - 2 E k(x, y).

    It is the number that the objective `advlearn.objectives.MMD` minimises, with the same kernels
    (`advlearn.functional.kernels`), in float64 and in blocks.

    Args:
        x: Real samples, float (N, d).
        y: Generated samples, float (M, d), on the device of `x`.
        kernel: ``"rbf"``, ``"rational_quadratic"`` or ``"energy"``.
        bandwidths: Scales of the mixture: b of ``"rbf"`` in the units of the data, a of
            ``"rational_quadratic"``; None for the defaults, which depend on `x` for ``"rbf"``.
            ``"energy"`` takes only None.
        unbiased: The U-statistic, which leaves out the pairs of a sample with itself, has the right
            mean and can be negative; otherwise the V-statistic, which is never negative and zero
            for equal sets.

    Returns:
        Float64 scalar: the square, without a root. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, fewer than two samples (unbiased), an
            unknown kernel, bandwidths that are not positive, or bandwidths for the
            energy kernel.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> mmd(x, x, unbiased=False).item()
        0.0
        >>> round(mmd(x, x + 2.0, bandwidths=[1.0], unbiased=False).item(), 4)
        1.1624

    Reference: Gretton et al., "A Kernel Two-Sample Test", JMLR 2012, equations 3 (unbiased) and 5
    (biased); Binkowski et al., "Demystifying MMD GANs", ICLR 2018 (rational quadratic).

    Deviations: the median is that of `x`, not of both sets.
    """
    first, second = pair(("x", "y"), x, y, at_least=2 if unbiased else 1)
    name, scales = kernels.check(kernel, None if bandwidths is None else tuple(bandwidths))
    mixture = [float(s) for s in kernels.scales(name, scales, _spaced(first))]

    def values(distances: Tensor) -> Tensor:
        return kernels.of_squared(name, mixture, distances.square())

    self_value = float(len(mixture))  # each kernel of a mixture is 1 at distance zero
    across = Distances(first, second)
    within = sum(_within(own, values, self_value if unbiased else None) for own in across.own())
    return within - 2.0 * _kernel_sum(across, values) / (first.shape[0] * second.shape[0])


@checked
def energy_distance(x: Tensor, y: Tensor, unbiased: bool = False) -> Tensor:
    r"""Compute the energy distance, 2 E |x - y| - E |x - x'| - E |y - y'|.

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


def _spaced(x: Tensor) -> Tensor:
    """Return at most `_MEDIAN_OF` evenly spaced rows; a single row is repeated."""
    if len(x) < 2:
        return x.repeat(2, 1)
    if len(x) <= _MEDIAN_OF:
        return x
    return x[torch.linspace(0, len(x) - 1, _MEDIAN_OF, device=x.device).long()]


def _kernel_sum(distances: Distances, values: Callable[[Tensor], Tensor]) -> Tensor:
    return sum((values(block).sum() for _, block in distances.blocks()), distances.x.new_zeros(()))


def _within(own: Distances, values: Callable[[Tensor], Tensor], self_value: float | None) -> Tensor:
    """Average the kernel over pairs of one set; with `self_value`, only over different samples."""
    halves = (
        values(inside).sum() + 2.0 * values(beyond).sum() for inside, beyond in own.later_blocks()
    )
    n, total = len(own.x), sum(halves, own.x.new_zeros(()))
    return total / (n * n) if self_value is None else (total - n * self_value) / (n * (n - 1))
