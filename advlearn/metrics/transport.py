"""Optimal-transport distances between two sample sets."""

import math
import warnings

import torch
from torch import Tensor

from advlearn.core.arguments import Count, Positive, Seed, checked
from advlearn.core.checks import check_count, check_number
from advlearn.functional.distances import distance_matrix
from advlearn.metrics._checks import pair, rows

_SHRINK = 0.7  # of epsilon from one annealing step to the next
_CHECK = 10  # iterations between two convergence checks
_ROUNDING = 1e-14  # relative change of the value that is only rounding


@checked
def sinkhorn_divergence(
    x: Tensor,
    y: Tensor,
    epsilon: Positive = 0.1,
    p: Positive = 2,
    tolerance: Positive = 1e-7,
    max_iterations: Count = 2000,
    *,
    temperature: Positive | None = None,
) -> Tensor:
    r"""Compute the debiased entropic transport cost, S = OT(x, y) - OT(x, x) / 2 - OT(y, y) / 2.

    With the cost c = |x - y|^p, uniform weights a and b, and couplings P of them,

        OT(x, y) = min_P  sum P c + t KL(P | a b^T).

    Solved by Sinkhorn iterations on the log scale, with t annealed from the largest cost. For
    p up to 2, S is at least 0, and 0 for equal sets. It tends to W_p^p as t tends to 0, and to
    half the squared MMD with kernel -c as t grows. Memory grows with N M, and the iterations with
    1 / t.

    Args:
        x: Float (N, d).
        y: Float (M, d), on the device of `x`.
        epsilon: Temperature t, positive, in units of the mean cost within `x`, as in the
            objective `advlearn.objectives.Sinkhorn`.
        p: Power of the Euclidean distance, at least 1. There is no factor 1/p.
        tolerance: Estimated error of a term, relative to (epsilon + mean cost), at which its
            iteration ends.
        max_iterations: Most iterations at the final epsilon, for each of the three terms; at least
            21 are needed to converge.
        temperature: Temperature t in the units of the cost, in place of `epsilon`.

    Returns:
        Float64 scalar. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or a parameter out of its range.

    Warns:
        RuntimeWarning: The iteration has not converged after `max_iterations`.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> round(sinkhorn_divergence(x, x + 3.0, temperature=0.01).item(), 6)
        9.0

    Reference: Feydy et al., "Interpolating between Optimal Transport and MMD using Sinkhorn
    Divergences", AISTATS 2019, equations 1 to 3, and section 3 for the symmetric update of the self
    terms.

    Deviations: none. Genevay et al. 2018 give the same name to twice this quantity.
    """
    first, second = pair(("x", "y"), x, y)
    check_number("p", p, low=1.0)
    if temperature is None:
        # Equal samples have no scale; any small temperature works.
        spread = float(_costs(first, first, p).mean())
        temperature = epsilon * spread if spread > 0 else epsilon
    cross = _entropic_cost(first, second, temperature, p, tolerance, max_iterations)
    own = [
        _entropic_cost(z, None, temperature, p, tolerance, max_iterations) for z in (first, second)
    ]
    return cross - 0.5 * (own[0] + own[1])


def _costs(x: Tensor, y: Tensor, p: float) -> Tensor:
    """Return the costs |x - y|^p (N, M), or refuse a power at which they overflow."""
    costs = distance_matrix(x, y) ** p
    if not math.isfinite(float(costs.max())):
        raise ValueError(f"p: expected a power with finite costs, got {p:g}; use 1 or 2")
    return costs


def _entropic_cost(
    x: Tensor, y: Tensor | None, epsilon: float, p: float, tolerance: float, max_iterations: int
) -> Tensor:
    """Compute the dual value of the entropic problem between x and y, or x and x for y = None."""
    cost = _costs(x, x if y is None else y, p)
    largest, scale = float(cost.max()), epsilon + float(cost.mean())
    steps = math.ceil(math.log(max(largest / epsilon, 1.0), 1.0 / _SHRINK))
    # g is always the optimal second potential for f, so the error of the value is of second order
    # in the error of f.
    f, g = cost.new_zeros(cost.shape[0]), cost.new_zeros(cost.shape[1])
    values: list[float] = []
    for i in range(steps + max_iterations):
        temperature = max(epsilon, largest * _SHRINK**i)
        # For x and x both potentials are equal; averaging them converges faster than alternating.
        f = 0.5 * (f + g) if y is None else _soft_minimum(cost, g, temperature)
        g = _soft_minimum(cost.T, f, temperature)
        if i >= steps and (i - steps) % _CHECK == 0:
            values.append(float(f.mean() + g.mean()))
            if _remaining(values, scale) <= tolerance * scale:
                return cost.new_tensor(values[-1])
    warnings.warn(
        f"sinkhorn_divergence: not converged in {max_iterations} iterations; raise it or epsilon",
        RuntimeWarning,
        stacklevel=3,
    )
    return f.mean() + g.mean()


def _remaining(values: list[float], scale: float) -> float:
    """Estimate the remaining error of a geometric sequence from its last three values."""
    if len(values) < 3:
        return math.inf
    before, last = abs(values[-2] - values[-3]), abs(values[-1] - values[-2])
    if last <= _ROUNDING * scale:
        return 0.0
    return last * last / (before - last) if before > last else math.inf


def _soft_minimum(cost: Tensor, potential: Tensor, epsilon: float) -> Tensor:
    """Compute -epsilon log mean_j exp((potential_j - cost_ij) / epsilon) for each row i."""
    return epsilon * (
        math.log(cost.shape[1]) - torch.logsumexp((potential - cost) / epsilon, dim=1)
    )


@checked
def wasserstein_1d(x: Tensor, y: Tensor) -> Tensor:
    r"""Compute the exact W1 between two samples on the line, int_0^1 |F^{-1}(u) - G^{-1}(u)| du.

    Args:
        x: Float (N,).
        y: Float (M,), on the device of `x`; N and M may differ.

    Returns:
        Float64 scalar, in the units of the data. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes or values that are not finite.

    Example:
        >>> wasserstein_1d(torch.tensor([0.0, 1.0, 3.0]), torch.tensor([5.0, 6.0, 8.0])).item()
        5.0

    Reference: Peyre and Cuturi, "Computational Optimal Transport", 2019, remark 2.30 (the case of
    the line).
    """
    first, second = rows("x", x, dims="(N,)"), rows("y", y, dims="(N,)")
    return _line_cost(first[None], second[None], 1.0)[0]


@checked
def sliced_wasserstein(
    x: Tensor, y: Tensor, projections: Count = 256, p: Positive = 2, seed: Seed = 0
) -> Tensor:
    r"""Compute the sliced Wasserstein distance, (mean over directions u of W_p(u x, u y)^p)^(1/p).

    Args:
        x: Float (N, d).
        y: Float (M, d), on the device of `x`; N and M may differ.
        projections: Number of directions, drawn uniformly on the unit sphere.
        p: Order, at least 1.
        seed: Seed of a private generator on the CPU, so every device gets the same directions.

    Returns:
        Float64 scalar, in the units of the data. Carries no gradient.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or a parameter out of its range.

    Example:
        >>> x = torch.tensor([[0.0], [1.0]])
        >>> sliced_wasserstein(x, x + 2.0).item()
        2.0

    Reference: Bonneel et al., "Sliced and Radon Wasserstein Barycenters of Measures", 2015.
    """
    first, second = pair(("x", "y"), x, y)
    check_number("p", p, low=1.0)
    directions = _directions(first.shape[1], check_count("projections", projections), seed).to(
        first.device
    )
    return _line_cost(directions @ first.T, directions @ second.T, p).mean() ** (1.0 / p)


def _directions(width: int, number: int, seed: int) -> Tensor:
    draw = torch.randn(
        number, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)
    )
    return draw / draw.norm(dim=1, keepdim=True)


def _line_cost(x: Tensor, y: Tensor, p: float) -> Tensor:
    """Compute W_p^p on the line for each row: (R, N), (R, M) -> (R,)."""
    n, m = x.shape[1], y.shape[1]
    # Both quantile functions step at multiples of 1/n and 1/m, which are integers in units of
    # 1/(n m).
    levels = torch.cat(
        [torch.arange(n, device=x.device) * m, torch.arange(m, device=x.device) * n]
    ).unique()
    mass = torch.diff(levels, append=levels.new_tensor([n * m])).double() / (n * m)
    gap = x.sort(dim=1).values[:, levels // m] - y.sort(dim=1).values[:, levels // n]
    return (gap.abs() ** p) @ mass
