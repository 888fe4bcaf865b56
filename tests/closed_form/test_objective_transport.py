"""Test the transport objectives against POT, SciPy and finite differences."""

import numpy as np
import ot
import pytest
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist

from advlearn.core.grammar import resolve
from advlearn.functional import transport
from advlearn.functional.distances import squared_distances
from advlearn.objectives.assignment import Assignment
from advlearn.objectives.minibatch_energy import MinibatchEnergy
from advlearn.objectives.sinkhorn import Sinkhorn
from tests.closed_form.objective_cases import critic_batch, normal

REAL, FAKE = normal(9, 3), 0.7 * normal(7, 3, seed=1) + 0.5
DISTANCES = [Sinkhorn(), Assignment(), MinibatchEnergy()]
distances = pytest.mark.parametrize("objective", DISTANCES, ids=repr)


def pot_plan(cost: np.ndarray, epsilon: float) -> np.ndarray:
    return ot.bregman.sinkhorn_log(
        [], [], cost, epsilon, numItermax=5000, stopThr=1e-12, warn=False
    )


def regularised(cost: np.ndarray, epsilon: float) -> float:
    plan = pot_plan(cost, epsilon)
    return float((plan * cost).sum() + epsilon * (plan * np.log(plan * cost.size)).sum())


@pytest.mark.parametrize("epsilon", [0.3, 1.0])
def test_sinkhorn_agrees_with_pot(epsilon: float) -> None:
    objective = Sinkhorn(epsilon)
    of_real = cdist(REAL, REAL, "sqeuclidean")
    costs = cdist(REAL, FAKE, "sqeuclidean"), of_real, cdist(FAKE, FAKE, "sqeuclidean")
    across, real, fake = (regularised(cost, epsilon * of_real.mean()) for cost in costs)
    assert objective.distance(REAL, FAKE).item() == pytest.approx(
        across - real / 2 - fake / 2, abs=1e-8
    )


def test_plans_agree_with_the_empirical_divergence_of_pot() -> None:
    # POT's divergence has no entropy term: it is the debiased <plan, cost>.
    epsilon = 3.0
    costs = []
    for x, y in ((REAL, FAKE), (REAL, REAL), (FAKE, FAKE)):
        cost = squared_distances(x, y)
        f, g = transport.potentials(cost, cost.new_full((), epsilon), 300, cost.new_zeros(len(y)))
        plan = ((f[:, None] + g - cost) / epsilon).exp() / cost.numel()
        torch.testing.assert_close(plan.sum(1), torch.full_like(f, 1 / len(x)))
        torch.testing.assert_close(plan.sum(0), torch.full_like(g, 1 / len(y)))
        costs.append((plan * cost).sum().item())
    pot = ot.bregman.empirical_sinkhorn_divergence(
        REAL.numpy(), FAKE.numpy(), epsilon, stopThr=1e-12
    )
    assert costs[0] - costs[1] / 2 - costs[2] / 2 == pytest.approx(float(pot), abs=1e-7)


def log_domain(
    cost: torch.Tensor, epsilon: float, iterations: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Run the same iteration, one soft minimum at a time."""
    softmin = lambda rows: -epsilon * ((-rows / epsilon).logsumexp(1) - np.log(rows.shape[1]))  # noqa: E731
    f, g = cost.new_zeros(cost.shape[0]), cost.new_zeros(cost.shape[1])
    for k in range(iterations):
        step = 1.5 if iterations / 2 <= k < iterations - 1 else 1.0
        f = f + step * (softmin(cost - g) - f)
        g = g + step * (softmin(cost.T - f) - g)
    return f, g


@pytest.mark.parametrize("epsilon", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("iterations", [1, 12, 100])
@pytest.mark.parametrize("far", [0.0, 100.0], ids=["near", "outlier"])
def test_potentials_agree_with_those_of_the_log_domain(
    epsilon: float, iterations: int, far: float
) -> None:
    # Also before convergence, and where most of the first kernel is zero.
    x, y = normal(40, 2), normal(30, 2, seed=1) + 1
    x[0] += far
    cost = squared_distances(x, y)
    cost = cost / cost.mean()
    expected = log_domain(cost, epsilon, iterations)
    for dtype, tolerance in ((torch.float64, 1e-11), (torch.float32, 2e-5)):
        found = transport.potentials(
            cost.to(dtype), torch.tensor(epsilon, dtype=dtype), iterations, cost[0].to(dtype) * 0
        )
        for potential, known in zip(found, expected, strict=True):
            assert potential.dtype == dtype
            torch.testing.assert_close(potential.double(), known, atol=tolerance, rtol=tolerance)


def test_batched_problems_are_solved_like_single_ones() -> None:
    costs = [
        squared_distances(normal(n, 2, seed=n), normal(m, 2))
        for n, m in ((5, 4), (4, 4), (6, 4), (4, 4))
    ]
    costs[3] = 2 * costs[3]
    epsilon, calls = costs[0].new_full((), 0.1), []

    def solve(cost: torch.Tensor) -> torch.Tensor:
        calls.append(len(cost))
        return transport.value(
            cost, *transport.potentials(cost, epsilon, 60, cost[:, 0] * 0), epsilon
        )

    values = transport.together(solve, costs)
    assert sorted(calls) == [1, 1, 2]
    for value, cost in zip(values, costs, strict=True):
        f, g = transport.potentials(cost, epsilon, 60, cost[0] * 0)
        torch.testing.assert_close(value, transport.value(cost, f, g, epsilon))


def test_self_potential_of_a_point_equally_far_from_itself_and_from_others() -> None:
    # Cosine cost of a zero vector: 1 to itself, too. Its potential is half of that, at any
    # temperature.
    cost = 1 - torch.eye(3)
    cost[0, 0] = 1
    for epsilon in (1e-2, 1e-4, 1e-8):
        potential = transport.self_potential(cost, torch.tensor(epsilon), 100)
        torch.testing.assert_close(
            potential, torch.tensor([0.5, 0.0, 0.0]), atol=3 * epsilon, rtol=0
        )


@pytest.mark.parametrize("epsilon", [1e-8, 1e-16, 1e-30])
def test_potentials_are_finite_at_any_temperature(epsilon: float) -> None:
    # At the lowest temperatures, rounding makes the costs in units of the temperature inexact.
    cost, unit = normal(7, 7).square(), torch.tensor(epsilon, dtype=torch.float64)
    assert transport.self_potential(cost + cost.T, unit, 100).isfinite().all()
    assert torch.stack(transport.potentials(cost, unit, 50, cost[0] * 0)).isfinite().all()
    assert Sinkhorn().distance(torch.zeros(8, 2), 1e6 * normal(6, 2).float()).isfinite()


def test_sinkhorn_of_a_shift_is_the_shift_squared() -> None:
    # Exact at any temperature: a shift adds its square and a term linear in the points to the
    # cost.
    shift = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
    for epsilon in (0.3, 1.0):
        distance = Sinkhorn(epsilon, iterations=200).distance(REAL, REAL + shift)
        assert distance.item() == pytest.approx(shift.square().sum().item(), abs=1e-7)


@distances
def test_gradient_agrees_with_finite_differences(objective) -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    assert torch.autograd.gradcheck(objective.distance, (real, fake), fast_mode=True)


@pytest.mark.parametrize("objective", [Sinkhorn(), Assignment()], ids=repr)
def test_equal_sets_have_zero_distance_and_zero_gradient(objective) -> None:
    fake = REAL.flip(0).requires_grad_()
    distance = objective.distance(REAL, fake)
    (gradient,) = torch.autograd.grad(distance, fake)
    assert distance.item() == pytest.approx(0, abs=1e-9)
    torch.testing.assert_close(gradient, torch.zeros_like(gradient), atol=1e-5, rtol=0)


@pytest.mark.parametrize("n", [1, 8, 30])
def test_assignment_agrees_with_scipy(n: int) -> None:
    real, fake = normal(n, 4), normal(n, 4, seed=1)
    cost = cdist(real, fake, "sqeuclidean")
    rows, columns = linear_sum_assignment(cost)
    fake.requires_grad_()
    distance = Assignment().distance(real, fake)
    distance.backward()
    assert distance.item() == pytest.approx(cost[rows, columns].mean(), rel=1e-12)
    matched = torch.empty_like(fake)
    matched[columns] = real[rows]
    torch.testing.assert_close(fake.grad, 2 * (fake.detach() - matched) / n)


def test_assignment_between_sides_of_different_size() -> None:
    real, fake = torch.tensor([[0.0], [1.0], [2.0], [3.0]]), torch.tensor([[0.0], [3.0]])
    # 0 and 1 go to 0, 2 and 3 to 3: (0 + 1 + 1 + 0) / 4.
    torch.testing.assert_close(Assignment().distance(real, fake), torch.tensor(0.5))


def test_assignment_potential_is_dual_feasible_and_tight() -> None:
    # The witness at a fake sample is minus its dual potential: sum of both potentials is the
    # distance.
    objective = Assignment()
    cost = squared_distances(REAL, FAKE)
    fake_potential = -objective.witness(FAKE, REAL, FAKE)
    real_potential = (cost - fake_potential).min(1).values
    assert (real_potential[:, None] + fake_potential <= cost + 1e-9).all()
    total = real_potential.mean() + fake_potential.mean()
    torch.testing.assert_close(total, objective.distance(REAL, FAKE))


def test_assignment_is_exempt_from_the_check_of_host_synchronisation() -> None:
    assert "host" in Assignment.EXEMPT["host_sync"]


@distances
def test_witness_is_high_near_real(objective) -> None:
    angle = torch.linspace(0, 1, 12, dtype=torch.float64)
    real, fake = (torch.stack([(angle + a).cos(), (angle + a).sin()], 1) for a in (0, 2.5))
    at_real, at_fake = (objective.witness(s, real, fake).mean() for s in (real, fake))
    assert at_real > at_fake
    torch.testing.assert_close(
        objective.reward(critic_batch(real, fake)), objective.witness(fake, real, fake)
    )


def test_sinkhorn_gradient_is_the_negated_gradient_of_the_witness() -> None:
    # The gradient of the distance at a fake sample is that of the witness there, negated, times its
    # mass.
    objective, fake = Sinkhorn(0.3), FAKE.clone().requires_grad_()
    (of_distance,) = torch.autograd.grad(objective.distance(REAL, fake), fake)
    points = FAKE.clone().requires_grad_()
    (of_witness,) = torch.autograd.grad(objective.witness(points, REAL, FAKE).sum(), points)
    torch.testing.assert_close(of_distance, -of_witness / len(FAKE))


def test_minibatch_energy_is_the_sum_of_its_six_terms() -> None:
    objective = MinibatchEnergy(epsilon=0.2, iterations=500)
    x, x2, y, y2 = REAL[:4], REAL[4:], FAKE[:3], FAKE[3:]
    cosine = lambda a, b: regularised(cdist(a, b, "cosine"), 0.2)  # noqa: E731
    across = sum(cosine(a, b) for a in (x, x2) for b in (y, y2))
    within = cosine(x, x2) + cosine(y, y2)
    assert objective.distance(REAL, FAKE).item() == pytest.approx(across - 2 * within, abs=1e-7)


def test_minibatch_energy_is_unbiased() -> None:
    # Over all ways to choose four minibatches, the mean of an unbiased estimate of zero is zero.
    objective = MinibatchEnergy(iterations=300)
    quarters = normal(8, 3).split(2)
    deals = [((0, 1), (2, 3)), ((0, 2), (1, 3)), ((0, 3), (1, 2))]
    join = lambda pair: torch.cat([quarters[i] for i in pair])  # noqa: E731
    total = sum(objective.distance(join(a), join(b)) for a, b in deals)
    assert total.item() == pytest.approx(0, abs=1e-6)


def test_minibatch_energy_needs_halves() -> None:
    with pytest.raises(
        ValueError, match="real: the minibatch energy distance needs 2 or more samples, got 1"
    ):
        MinibatchEnergy().distance(REAL[:1], FAKE)


def test_ot_gan_learns_its_embedding() -> None:
    assert resolve("ot-gan").objective.embedding == "learned"
    assert resolve("sinkhorn").objective.embedding == "identity"
