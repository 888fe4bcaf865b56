"""Entropic optimal transport between equally weighted samples, stable at small temperatures.

Potentials are logarithms, in units of the temperature. Every few iterations they are absorbed into
a kernel, which the iterations only rescale: an iteration is two products with the kernel, without
exponentials of its size. The result is the same. After the first iteration a potential of n samples
changes by at most log n in an iteration, because a soft minimum is within log n of the minimum, and
alternating minima do not change after the first. A value that underflows in a kernel in fp64 is
therefore too small to matter before the next kernel is computed.
"""

import math
from collections.abc import Callable, Sequence
from typing import final

import torch
from torch import Tensor

# Over-relaxation, which makes the slow last iterations converge faster (Thibault et al. 2021).
_RELAXATION = 1.5
# Iterations with one kernel.
_ABSORBED = 10
# Bound of the logarithms that rescale a kernel. It is far outside the usual range and keeps values
# finite for costs that violate the condition of `self_potential` or exceed the precision.
_FINITE = 300.0


def potentials(
    cost: Tensor, epsilon: Tensor, iterations: int, start: Tensor
) -> tuple[Tensor, Tensor]:
    """Compute the dual potentials (..., N) and (..., M) of each `cost` (..., N, M).

    `start` is the initial second potential (..., M); for two equal sets, the set's self-potential
    is already the solution. The number of iterations is fixed, so nothing waits for the device.
    """
    return _potentials(cost.detach(), epsilon.detach(), iterations, start)


def self_potential(cost: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    """Compute the potential (..., N) of a set's `cost` (..., N, N) against itself.

    Averaged iterations converge fast here. The cost of a point to itself must be the smallest of
    its row.
    """
    return _self_potential(cost.detach(), epsilon.detach(), (iterations + 1) // 2)


def together(solve: Callable[[Tensor], Tensor], costs: Sequence[Tensor]) -> list[Tensor]:
    """Apply `solve` to each of `costs` (N, M); costs of one shape form one batch (K, N, M)."""
    solved: dict[int, Tensor] = {}
    for shape in {cost.shape: None for cost in costs}:
        indices = [i for i, cost in enumerate(costs) if cost.shape == shape]
        solved.update(
            zip(indices, solve(torch.stack([costs[i] for i in indices])).unbind(), strict=True)
        )
    return [solved[i] for i in range(len(costs))]


# Custom operators, which torch.compile treats as one node; unrolled, their loops would be hundreds
# of nodes.
@torch.library.custom_op("advlearn::transport_potentials", mutates_args=())
def _potentials(
    cost: Tensor, epsilon: Tensor, iterations: int, start: Tensor
) -> tuple[Tensor, Tensor]:
    unit = epsilon.double()
    gain = cost.double() / -unit
    f = _softmin(gain + (start / unit).unsqueeze(-2))
    g = _softmin(gain.mT + f.unsqueeze(-2))
    kernel = _Kernel(gain)
    for first in range(1, iterations, _ABSORBED):
        kernel.absorb(f, g)
        of_f, of_g = torch.ones_like(f), torch.ones_like(g)
        for k in range(first, min(first + _ABSORBED, iterations)):
            step = _RELAXATION if iterations / 2 <= k < iterations - 1 else 1.0
            _rescale(of_f, kernel.row_means(of_g), step)
            _rescale(of_g, kernel.column_means(of_f), step)
        f, g = f + of_f.log(), g + of_g.log()
    return (f * unit).to(cost.dtype), (g * unit).to(cost.dtype)


@torch.library.custom_op("advlearn::transport_self_potential", mutates_args=())
def _self_potential(cost: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    unit = epsilon.double()
    gain = cost.double() / -unit
    f = _softmin(gain) / 2
    kernel = _Kernel(gain)
    for first in range(1, iterations, _ABSORBED):
        kernel.absorb(f, f)
        of_f = torch.ones_like(f)
        for _ in range(first, min(first + _ABSORBED, iterations)):
            _rescale(of_f, kernel.row_means(of_f), 0.5)
        f = f + of_f.log()
    return (f * unit).to(cost.dtype)


@_potentials.register_fake
def _(cost: Tensor, epsilon: Tensor, iterations: int, start: Tensor) -> tuple[Tensor, Tensor]:
    return cost.new_empty(cost.shape[:-1]), cost.new_empty(start.shape)


@_self_potential.register_fake
def _(cost: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    return cost.new_empty(cost.shape[:-1])


@final
class _Kernel:
    """Hold the plan's density ``exp(gain + f + g)`` at the potentials absorbed last."""

    def __init__(self, gain: Tensor) -> None:
        self.gain = gain
        self.density = torch.empty_like(gain)

    def absorb(self, f: Tensor, g: Tensor) -> None:
        torch.add(self.gain, f.unsqueeze(-1), out=self.density).add_(g.unsqueeze(-2)).exp_()

    def row_means(self, of_columns: Tensor) -> Tensor:
        return self._sums(self.density, of_columns).mul_(1 / self.gain.shape[-1])

    def column_means(self, of_rows: Tensor) -> Tensor:
        return self._sums(self.density.mT, of_rows).mul_(1 / self.gain.shape[-2])

    def _sums(self, density: Tensor, factors: Tensor) -> Tensor:
        if density.ndim == 2:
            return density @ factors
        # Faster than a batched matrix-vector product of BLAS.
        return (density * factors.unsqueeze(-2)).sum(-1)


def _rescale(factors: Tensor, means: Tensor, step: float) -> None:
    """Move the logarithm of `factors` by a fraction `step` towards the required marginal."""
    factors.mul_(means.mul_(factors).pow_(-step)).clamp_(math.exp(-_FINITE), math.exp(_FINITE))


def _softmin(gain: Tensor) -> Tensor:
    """Compute the soft minimum of each row of ``-gain`` (..., N, M), temperature one: (..., N)."""
    return math.log(gain.shape[-1]) - torch.logsumexp(gain, -1)


def value(cost: Tensor, f: Tensor, g: Tensor, epsilon: Tensor) -> Tensor:
    """Compute ``<plan, cost> + epsilon KL(plan | product)`` of each `cost` (..., N, M): (...).

    The potentials carry no gradient, since their gradient is zero at the optimum (envelope
    theorem): the gradient is that of `cost` and `epsilon` for a fixed plan.
    """
    excess = ((f.unsqueeze(-1) + g.unsqueeze(-2) - cost) / epsilon).exp().mean((-2, -1)) - 1
    return f.mean(-1) + g.mean(-1) - epsilon * excess


def debiased_witness(
    to_real: Tensor, to_fake: Tensor, f: Tensor, own: Tensor, epsilon: Tensor
) -> Tensor:
    """Compute how much farther points are from the fake side than from the real side: (K,).

    Args:
        to_real: Cost of points against real samples, (K, N).
        to_fake: Cost of points against fake samples, (K, M).
        f: Potential of the real samples against the fake ones, (N,).
        own: Potential of the fake samples against themselves, (M,).
        epsilon: The temperature, a scalar.
    """
    return epsilon * (_softmin((own - to_fake) / epsilon) - _softmin((f - to_real) / epsilon))
