import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from advlearn import _optional_imports
from advlearn.metrics import sinkhorn_divergence, sliced_wasserstein, wasserstein_1d
from advlearn.metrics.transport import _directions
from advlearn.objectives import Sinkhorn


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def quantiles(n: int) -> Tensor:
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]


def pot_entropic_cost(x: Tensor, y: Tensor, epsilon: float, p: float) -> float:
    a, b = np.full(len(x), 1 / len(x)), np.full(len(y), 1 / len(y))
    cost = torch.cdist(x, y).numpy() ** p
    plan = _optional_imports.ot().bregman.sinkhorn_log(
        a, b, cost, epsilon, numItermax=20000, stopThr=1e-9
    )
    return float((plan * cost).sum() + epsilon * (plan * np.log(plan / np.outer(a, b))).sum())


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("epsilon", [0.5, 2.0, 50.0])
def test_sinkhorn_divergence_agrees_with_pot(epsilon, p):
    x, y = draw(12, 2), 0.5 * draw(17, 2, seed=1) + 0.7
    expected = pot_entropic_cost(x, y, epsilon, p)
    expected -= 0.5 * (pot_entropic_cost(x, x, epsilon, p) + pot_entropic_cost(y, y, epsilon, p))
    assert sinkhorn_divergence(x, y, p=p, temperature=epsilon).item() == pytest.approx(
        expected, rel=1e-6
    )


def gaussian_entropic_cost(m: float, u: float, v: float, epsilon: float) -> float:
    """Return OT(N(0, u), N(m, v)) for cost r^2 and epsilon = 2 s^2: Janati et al. 2020, thm. 1."""
    s2 = epsilon / 2
    root = math.sqrt(4 * u * v + s2**2)
    return m**2 + u + v - root + s2 * (1 - math.log(2 * s2)) + s2 * math.log(root + s2)


@pytest.mark.parametrize("epsilon", [0.5, 4.0])
@pytest.mark.parametrize(("m", "scale"), [(2.0, 1.0), (0.0, 2.0), (1.0, 0.5)])
def test_sinkhorn_divergence_of_two_gaussians_has_its_closed_form(epsilon, m, scale):
    expected = gaussian_entropic_cost(m, 1, scale**2, epsilon)
    expected -= 0.5 * (
        gaussian_entropic_cost(0, 1, 1, epsilon)
        + gaussian_entropic_cost(0, scale**2, scale**2, epsilon)
    )
    x = quantiles(400)
    assert sinkhorn_divergence(x, m + scale * x, temperature=epsilon).item() == pytest.approx(
        expected, rel=0.01
    )


def test_a_small_epsilon_gives_the_exact_transport_cost():
    x, y = draw(8, 2), draw(8, 2, seed=1) + 1.0
    exact = _optional_imports.ot().emd2([], [], torch.cdist(x, y).square().numpy())
    value = sinkhorn_divergence(x, y, temperature=0.01, max_iterations=20000).item()
    assert value == pytest.approx(exact, rel=1e-3)


def test_a_large_epsilon_gives_half_the_energy_distance_for_p_of_one():
    x, y = draw(8, 2), draw(11, 2, seed=1) + 1.0
    cross, own = torch.cdist(x, y).mean(), torch.cdist(x, x).mean() + torch.cdist(y, y).mean()
    assert sinkhorn_divergence(x, y, temperature=1e6, p=1).item() == pytest.approx(
        (cross - own / 2).item(), rel=1e-4
    )


def test_sinkhorn_divergence_is_zero_for_equal_sets_symmetric_and_exact_for_a_shift():
    x, y = draw(15, 2), draw(9, 2, seed=1)
    assert sinkhorn_divergence(x, x.flip(0), temperature=0.3).item() == pytest.approx(0.0, abs=1e-6)
    forward, backward = (
        sinkhorn_divergence(x, y, temperature=0.3).item(),
        sinkhorn_divergence(y, x, temperature=0.3).item(),
    )
    assert forward == pytest.approx(backward, rel=1e-6)
    # With p = 2 a shift adds |m|^2 at any epsilon, for the cross term of the square is constant on
    # couplings.
    shift = torch.tensor([3.0, 4.0], dtype=torch.float64)
    assert sinkhorn_divergence(x, x + shift, temperature=0.3).item() == pytest.approx(
        25.0, rel=1e-6
    )
    nothing = sinkhorn_divergence(torch.zeros(3, 1), torch.zeros(2, 1)).item()
    assert nothing == pytest.approx(0.0, abs=1e-15)


def test_an_iteration_that_does_not_converge_warns():
    x, y = draw(30, 1), draw(30, 1, seed=1)
    with pytest.warns(RuntimeWarning, match="not converged in 1 iterations"):
        sinkhorn_divergence(x, y, temperature=1e-3, max_iterations=1)


numbers = st.lists(st.floats(-50, 50, width=32), min_size=1, max_size=20)


@settings(max_examples=100, deadline=None)
@given(numbers, numbers)
def test_wasserstein_1d_agrees_with_scipy_at_any_two_sizes(u, v):
    value = wasserstein_1d(torch.tensor(u), torch.tensor(v)).item()
    assert value == pytest.approx(stats.wasserstein_distance(u, v), rel=1e-10, abs=1e-10)


def test_wasserstein_1d_between_normals_is_the_shift_or_the_scale():
    x = quantiles(4000)[:, 0]
    assert wasserstein_1d(x, x + 1.7).item() == pytest.approx(1.7, rel=1e-12)
    # |F^-1 - G^-1| = |z| for scales 1 and 2, so W1 = E|z|.
    assert wasserstein_1d(x, 2 * x).item() == pytest.approx(math.sqrt(2 / math.pi), rel=1e-3)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_sliced_wasserstein_agrees_with_pot_along_the_same_directions(p):
    x, y = draw(20, 4), 1.5 * draw(33, 4, seed=1) + 0.5
    directions = _directions(4, 50, seed=3)
    expected = _optional_imports.ot().sliced_wasserstein_distance(
        x, y, projections=directions.T, p=p
    )
    value = sliced_wasserstein(x, y, projections=50, p=p, seed=3).item()
    assert value == pytest.approx(float(expected), rel=1e-10)


def test_sliced_wasserstein_of_a_shift_is_its_length_over_the_root_of_the_width():
    x, shift = draw(10, 3), torch.tensor([0.0, 3.0, 4.0], dtype=torch.float64)
    # The mean of (u m)^2 over the sphere is |m|^2 / d; 1.6 % is five standard errors of 20 000
    # draws.
    value = sliced_wasserstein(x, x + shift, projections=20_000).item()
    assert value == pytest.approx(5 / math.sqrt(3), rel=0.016)


def test_directions_have_length_one_and_depend_only_on_the_seed():
    x, y = draw(10, 3), draw(10, 3, seed=1)
    before = torch.get_rng_state()
    first, again, other = (
        sliced_wasserstein(x, y, projections=5, seed=s).item() for s in (1, 1, 2)
    )
    assert first == again != other
    assert torch.equal(torch.get_rng_state(), before)
    torch.testing.assert_close(_directions(3, 7, 0).norm(dim=1), torch.ones(7, dtype=torch.float64))


def test_bad_input_is_named():
    x = torch.zeros(4, 2)
    with pytest.raises(ValueError, match="epsilon: expected a finite number above 0, got 0"):
        sinkhorn_divergence(x, x, epsilon=0)
    with pytest.raises(ValueError, match=r"p: expected a finite number of at least 1, got 0\.5"):
        sinkhorn_divergence(x, x, temperature=1, p=0.5)
    with pytest.raises(
        ValueError, match=r"x: expected a float tensor of shape \(N,\), got float32 \(4, 2\)"
    ):
        wasserstein_1d(x, x[:, 0])
    with pytest.raises(ValueError, match=r"y: expected at least 1 samples, got float32 \(0,\)"):
        wasserstein_1d(x[:, 0], torch.zeros(0))
    with pytest.raises(
        ValueError, match="projections: expected a whole number of at least 1, got 0"
    ):
        sliced_wasserstein(x, x, projections=0)
    with pytest.raises(ValueError, match="y: expected finite values, got 1 NaN or infinite"):
        sliced_wasserstein(x, torch.tensor([[0.0, math.inf]]))


def test_the_metric_and_the_objective_agree():
    x = torch.randn(40, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    y = x.flip(0) * 0.5 + 1.0
    objective = Sinkhorn(epsilon=0.2, iterations=1000).distance(x, y).item()
    assert sinkhorn_divergence(x, y, epsilon=0.2).item() == pytest.approx(objective, rel=1e-6)
