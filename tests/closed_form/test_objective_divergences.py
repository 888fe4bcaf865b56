"""Test each pointwise objective at its optimal critic for two Gaussians against closed forms."""

import math
from statistics import NormalDist

import pytest
import torch

from advlearn.core.objective import Pointwise
from advlearn.objectives.energy import Energy
from advlearn.objectives.energy_model import EnergyModel
from advlearn.objectives.f_divergence import FDivergence
from advlearn.objectives.hinge import Hinge
from advlearn.objectives.jensen_shannon import JensenShannon
from advlearn.objectives.least_squares import LeastSquares
from advlearn.objectives.wasserstein import Wasserstein
from tests.closed_form.objective_cases import (
    GRID,
    LOG_P,
    LOG_Q,
    LOG_RATIO,
    MEAN,
    SCALE,
    divergence_estimate,
    equal_density_points,
    expectation,
    integral,
)

S2 = SCALE**2
KL = math.log(SCALE) + (1 + MEAN**2) / (2 * S2) - 0.5
REVERSE_KL = -math.log(SCALE) + (S2 + MEAN**2) / 2 - 0.5
PEARSON = S2 / math.sqrt(2 * S2 - 1) * math.exp(MEAN**2 / (2 * S2 - 1)) - 1
HELLINGER = 2 - 2 * math.sqrt(2 * SCALE / (1 + S2)) * math.exp(-(MEAN**2) / (4 * (1 + S2)))


def total_variation() -> float:
    low, high = equal_density_points()
    p, q = NormalDist(0, 1), NormalDist(MEAN, SCALE)
    return abs((p.cdf(high) - p.cdf(low)) - (q.cdf(high) - q.cdf(low)))


def two_jensen_shannon() -> float:
    return integral(lambda p, q: p * math.log(2 * p / (p + q)) + q * math.log(2 * q / (p + q)))


def triangular() -> float:
    return integral(lambda p, q: (p - q) ** 2 / (p + q))


CASES = [
    (JensenShannon(), two_jensen_shannon),
    (JensenShannon("minimax"), two_jensen_shannon),
    (FDivergence("kl"), lambda: KL),
    (FDivergence("reverse-kl"), lambda: REVERSE_KL),
    (FDivergence("pearson"), lambda: PEARSON),
    (FDivergence("hellinger"), lambda: HELLINGER),
    (FDivergence("jensen-shannon"), two_jensen_shannon),
    (FDivergence("total-variation"), total_variation),
    (Hinge(), lambda: 2 * total_variation()),
    (LeastSquares(), lambda: triangular() / 8),
    (LeastSquares(a=-1, b=1, c=0), lambda: triangular() / 2),
    (Energy(margin=3.0), lambda: 3 * total_variation()),
    (EnergyModel(l2=0.25), lambda: 2 * triangular()),
]
IDS = [repr(o) for o, _ in CASES]
objectives = pytest.mark.parametrize("objective", [o for o, _ in CASES], ids=IDS)


@pytest.mark.parametrize(("objective", "divergence"), CASES, ids=IDS)
def test_estimate_at_the_optimal_critic_is_the_divergence(objective: Pointwise, divergence) -> None:
    scores = objective.optimal_score(LOG_RATIO)
    assert scores is not None
    assert divergence_estimate(objective, scores) == pytest.approx(divergence(), abs=1e-6)


@objectives
def test_estimate_at_the_optimal_critic_is_the_expectation_of_f(objective: Pointwise) -> None:
    scores, f = objective.optimal_score(LOG_RATIO), objective.divergence(LOG_RATIO.exp())
    assert scores is not None
    assert f is not None
    assert divergence_estimate(objective, scores) == pytest.approx(expectation(LOG_Q, f), abs=1e-6)


@objectives
def test_no_nearby_critic_has_a_larger_estimate(objective: Pointwise) -> None:
    scores = objective.optimal_score(LOG_RATIO)
    assert scores is not None
    best = divergence_estimate(objective, scores)
    for change in (GRID.sin(), -GRID.sin(), torch.ones_like(GRID), -torch.ones_like(GRID)):
        # An energy is bounded by zero. Where the best one is at the bound, it can only be perturbed
        # to one side.
        moved = (
            (scores + 0.1 * change).clamp(max=0)
            if objective.critic_output == "energy"
            else scores + 0.1 * change
        )
        assert divergence_estimate(objective, moved) <= best + 1e-9


@objectives
def test_estimate_is_zero_for_a_critic_at_chance(objective: Pointwise) -> None:
    at_chance = objective.optimal_score(torch.zeros(5, dtype=torch.float64))
    assert at_chance is not None
    cost = objective.real_loss(at_chance) + objective.fake_loss(at_chance)
    torch.testing.assert_close(cost, torch.full_like(cost, objective.loss_at_chance))


def test_wasserstein_at_the_potential_between_shifted_gaussians() -> None:
    # W1 between N(0, 1) and N(MEAN, 1) is MEAN, and the critic -x reaches it.
    shifted = -0.5 * (GRID - MEAN) ** 2 - math.log(math.sqrt(2 * math.pi))
    objective = Wasserstein()
    cost = expectation(LOG_P, objective.real_loss(-GRID)) + expectation(
        shifted, objective.fake_loss(-GRID)
    )
    assert objective.loss_at_chance - cost == pytest.approx(MEAN, abs=1e-6)


def test_least_squares_generator_loss_over_both_sides_is_half_of_pearson() -> None:
    # Mao et al. 2017, section 3.2: 2 C(G) = chi^2(p + q || 2 q) with b - c = 1 and b - a = 2.
    objective = LeastSquares(a=-1, b=1, c=0)
    scores = objective.optimal_score(LOG_RATIO)
    both = expectation(LOG_Q, objective.generator_loss(scores)) + expectation(
        LOG_P, objective.generator_real_loss(scores)
    )
    pearson = integral(lambda p, q: (2 * q - (p + q)) ** 2 / (p + q))
    assert 2 * both == pytest.approx(pearson, abs=1e-6)
