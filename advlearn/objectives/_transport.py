"""Entropic optimal transport between equally weighted samples, in the log domain."""

import math

import torch
from torch import Tensor

# Over-relaxation, which speeds up the slow last part of the iteration (Thibault et al. 2021).
_RELAXATION = 1.5


def potentials(cost: Tensor, epsilon: Tensor, iterations: int, start: Tensor) -> tuple[Tensor, Tensor]:
    """Dual potentials (N,), (M,) of a `cost` (N, M), from a first guess `start` (M,) of the second one.

    The number of iterations is fixed, so that nothing waits for the device. Where both sides are the same
    set, its own potential is a start that is already the solution.
    """
    return _potentials(cost.detach(), epsilon.detach(), iterations, start)


def self_potential(cost: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    """The potential (N,) of a set's `cost` (N, N) against itself; averaging makes it converge fast."""
    return _self_potential(cost.detach(), epsilon.detach(), (iterations + 1) // 2)


# Operators of their own, for torch.compile to take whole: unrolled, their loops would be hundreds of nodes.
@torch.library.custom_op("advlearn::transport_potentials", mutates_args=())
def _potentials(cost: Tensor, epsilon: Tensor, iterations: int, start: Tensor) -> tuple[Tensor, Tensor]:
    f, g = cost.new_zeros(cost.shape[0]), start.clone()
    for k in range(iterations):
        step = _RELAXATION if iterations / 2 <= k < iterations - 1 else 1.0
        f = f + step * (softmin(cost - g, epsilon) - f)
        g = g + step * (softmin(cost.T - f, epsilon) - g)
    return f, g


@torch.library.custom_op("advlearn::transport_self_potential", mutates_args=())
def _self_potential(cost: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    f = cost.new_zeros(cost.shape[0])
    for _ in range(iterations):
        f = (f + softmin(cost - f, epsilon)) / 2
    return f


@_potentials.register_fake
def _(cost: Tensor, epsilon: Tensor, iterations: int, start: Tensor) -> tuple[Tensor, Tensor]:
    return cost.new_empty(cost.shape[0]), torch.empty_like(start)


@_self_potential.register_fake
def _(cost: Tensor, epsilon: Tensor, iterations: int) -> Tensor:
    return cost.new_empty(cost.shape[0])


def softmin(rows: Tensor, temperature: Tensor) -> Tensor:
    """Smooth minimum over each row of `rows` (N, M), relative to the mean: (N,)."""
    return -temperature * torch.logsumexp(-rows / temperature - math.log(rows.shape[1]), 1)


def value(cost: Tensor, f: Tensor, g: Tensor, epsilon: Tensor) -> Tensor:
    """The regularised cost ``<plan, cost> + epsilon KL(plan | product)`` from its potentials: a scalar.

    The potentials carry no gradient: at the optimum none is due through them (envelope theorem), so the
    gradient is that of `cost` and `epsilon` with the plan held.
    """
    excess = ((f[:, None] + g[None] - cost) / epsilon).exp().mean() - 1
    return f.mean() + g.mean() - epsilon * excess


def debiased_witness(to_real: Tensor, to_fake: Tensor, f: Tensor, own: Tensor, epsilon: Tensor) -> Tensor:
    """How much dearer points are to reach from the fake side than from the real one: (K,).

    Args:
        to_real: Cost of points against real samples, (K, N).
        to_fake: Cost of points against fake samples, (K, M).
        f: Potential of the real samples against the fake ones, (N,).
        own: Potential of the fake samples against themselves, (M,).
        epsilon: The temperature, a scalar.
    """
    return softmin(to_fake - own, epsilon) - softmin(to_real - f, epsilon)
