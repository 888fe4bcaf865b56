"""Define two Gaussians on a fine grid and critic batches of given scores."""

import math
from collections.abc import Callable

import torch
from scipy import integrate
from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples
from advlearn.core.objective import Pointwise

MEAN, SCALE = 0.8, 1.2  # of q; p is standard
GRID = torch.linspace(-14, 16, 100_001, dtype=torch.float64)


def log_normal(x: Tensor, mean: float, scale: float) -> Tensor:
    return -0.5 * ((x - mean) / scale) ** 2 - math.log(scale * math.sqrt(2 * math.pi))


LOG_P, LOG_Q = log_normal(GRID, 0.0, 1.0), log_normal(GRID, MEAN, SCALE)
LOG_RATIO = LOG_P - LOG_Q


def expectation(log_density: Tensor, values: Tensor) -> float:
    return torch.trapezoid(log_density.exp() * values, GRID).item()


def divergence_estimate(objective: Pointwise, scores: Tensor) -> float:
    """Return the objective's estimate for a critic whose scores on the grid are `scores`."""
    cost = expectation(LOG_P, objective.real_loss(scores)) + expectation(
        LOG_Q, objective.fake_loss(scores)
    )
    return objective.loss_at_chance - cost


def integral(integrand: Callable[[float, float], float]) -> float:
    """Integrate a function of the two densities over the line, by an independent quadrature."""

    def at(x: float) -> float:
        return integrand(density(x, 0.0, 1.0), density(x, MEAN, SCALE))

    crossings = equal_density_points()
    value, _ = integrate.quad(at, -14, 16, points=crossings, limit=500, epsabs=1e-12)
    return value


def density(x: float, mean: float, scale: float) -> float:
    return math.exp(-0.5 * ((x - mean) / scale) ** 2) / (scale * math.sqrt(2 * math.pi))


def equal_density_points() -> list[float]:
    a, b = 1 / SCALE**2 - 1, -2 * MEAN / SCALE**2
    c = MEAN**2 / SCALE**2 + 2 * math.log(SCALE)
    root = math.sqrt(b * b - 4 * a * c)
    return sorted([(-b - root) / (2 * a), (-b + root) / (2 * a)])


def critic_batch(
    real_scores: Tensor | None,
    fake_scores: Tensor,
    real: Samples | None = None,
    fake: Samples | None = None,
    real_weights: Tensor | None = None,
    fake_weights: Tensor | None = None,
) -> CriticBatch:
    """Build a critic batch from scores; the samples are the scores unless given."""
    first = fake_scores if real_scores is None else real_scores
    return CriticBatch(
        nn.Identity(),
        first if real is None else real,
        fake_scores if fake is None else fake,
        real_scores,
        fake_scores,
        real_weights,
        fake_weights,
    )


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
