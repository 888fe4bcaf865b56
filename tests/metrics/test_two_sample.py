import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from advlearn.metrics import energy_distance, mmd
from advlearn.objectives import MMD

KERNELS = ("rbf", "rational_quadratic", "energy")


def draw(n: int, d: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def quantiles(n: int) -> Tensor:
    """Return n equally likely points that approximate a standard normal distribution."""
    return torch.special.ndtri((torch.arange(n, dtype=torch.float64) + 0.5) / n)[:, None]


def brute_force(x: Tensor, y: Tensor, kernel: str, lengths: list[float], unbiased: bool) -> float:
    def k(a: Tensor, b: Tensor) -> float:
        r = math.dist(a.tolist(), b.tolist())
        if kernel == "energy":
            return -r
        if kernel == "rbf":
            return sum(math.exp(-(r**2) / (2 * s**2)) for s in lengths)
        return sum((1 + r**2 / (2 * a)) ** -a for a in lengths)

    def within(z: Tensor) -> float:
        return float(
            np.mean(
                [
                    k(a, b)
                    for i, a in enumerate(z)
                    for j, b in enumerate(z)
                    if i != j or not unbiased
                ]
            )
        )

    return within(x) + within(y) - 2 * float(np.mean([k(a, b) for a in x for b in y]))


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("kernel", KERNELS)
def test_mmd_equals_the_sum_over_pairs(kernel, unbiased):
    x, y = draw(7, 3), draw(9, 3, seed=1) + 0.5
    lengths = None if kernel == "energy" else [0.7, 2.0]
    expected = brute_force(x, y, kernel, lengths or [], unbiased)
    assert mmd(x, y, kernel, lengths, unbiased).item() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("s", [0.5, 1.0, 3.0])
def test_rbf_mmd_of_two_gaussians_has_its_closed_form(s):
    # E k(x, y) for x - y normal with variance v and mean m is s / sqrt(s^2 + v) exp(-m^2 / (2 (s^2
    # + v))).
    x, shift, scale = quantiles(1000), 1.5, 2.0

    def mean_kernel(m: float, v: float) -> float:
        return s / math.sqrt(s**2 + v) * math.exp(-(m**2) / (2 * (s**2 + v)))

    expected = (
        mean_kernel(0, 2) + mean_kernel(0, 2 * scale**2) - 2 * mean_kernel(shift, 1 + scale**2)
    )
    assert mmd(x, shift + scale * x, bandwidths=[s], unbiased=False).item() == pytest.approx(
        expected, rel=5e-3
    )


def test_the_unbiased_mmd_has_mean_zero_between_equal_distributions_and_the_biased_one_has_not():
    # Over all ways to split six points into two threes, exactly: the two halves have the same
    # distribution.
    points = draw(6, 2)
    splits = [m for m in range(64) if bin(m).count("1") == 3]
    values = {True: [], False: []}
    for m in splits:
        chosen = torch.tensor([bool(m >> i & 1) for i in range(6)])
        for unbiased, into in values.items():
            into.append(
                mmd(points[chosen], points[~chosen], bandwidths=[1.0], unbiased=unbiased).item()
            )
    assert np.mean(values[True]) == pytest.approx(0.0, abs=1e-12)
    assert np.mean(values[False]) > 0.1


@pytest.mark.parametrize("kernel", KERNELS)
def test_equal_sets_have_distance_zero_and_the_arguments_can_be_swapped(kernel):
    x, y = draw(20, 4), 2 * draw(15, 4, seed=1)
    assert mmd(x, x, kernel, unbiased=False).item() == 0.0
    assert mmd(x, x.flip(0), kernel, unbiased=False).item() == pytest.approx(0.0, abs=1e-14)
    scales = None if kernel == "energy" else (0.5, 2.0)
    swapped = mmd(y, x, kernel, scales).item()
    assert mmd(x, y, kernel, scales).item() == pytest.approx(swapped, rel=1e-12)


def test_the_median_heuristic_makes_the_value_independent_of_the_unit():
    x, y = draw(30, 2), draw(30, 2, seed=1) + 1.0
    assert mmd(1e3 * x, 1e3 * y).item() == pytest.approx(mmd(x, y).item(), rel=1e-9)


def test_the_default_bandwidths_are_multiples_of_the_median_distance_of_the_real_samples():
    x, y = torch.tensor([[0.0], [3.0]]), torch.tensor([[30.0], [70.0]])
    expected = mmd(x, y, "rbf", [0.75, 3.0, 12.0, 48.0]).item()
    assert mmd(x, y, "rbf").item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
def test_the_metric_and_the_objective_agree(kernel):
    x, y = draw(60, 3), draw(50, 3, seed=1) + 0.5
    assert mmd(x, y, kernel).item() == pytest.approx(MMD(kernel).distance(x, y).item(), rel=1e-12)
    if kernel != "energy":
        scales = (0.4, 1.5)
        objective = MMD(kernel, scales).distance(x, y).item()
        assert mmd(x, y, kernel, scales).item() == pytest.approx(objective, rel=1e-12)


def test_points_that_all_coincide_have_distance_zero():
    x = torch.ones(5, 2)
    assert mmd(x, x[:3]).item() == 0.0


def test_blocks_do_not_change_the_value(monkeypatch):
    x, y = draw(50, 3), draw(41, 3, seed=1) + 0.3
    whole = [mmd(x, y, kernel).item() for kernel in KERNELS]
    monkeypatch.setattr("advlearn.functional.distances._BLOCK", 100)
    assert [mmd(x, y, kernel).item() for kernel in KERNELS] == pytest.approx(whole, rel=1e-12)


def test_wide_features_far_from_the_origin_keep_their_distances():
    x, y = 1e3 + draw(6, 100), 1e3 + draw(8, 100, seed=1)
    expected = brute_force(x, y, "energy", [], False)
    assert energy_distance(x, y).item() == pytest.approx(expected, rel=1e-7)


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.floats(-9, 9), min_size=1, max_size=12),
    st.lists(st.floats(-9, 9), min_size=1, max_size=12),
)
def test_energy_distance_is_the_square_of_scipys(u, v):
    value = energy_distance(
        torch.tensor(u)[:, None].double(), torch.tensor(v)[:, None].double()
    ).item()
    expected = stats.energy_distance(torch.tensor(u).numpy(), torch.tensor(v).numpy()) ** 2
    assert value == pytest.approx(expected, abs=1e-6)


def test_energy_distance_of_shifted_normals_has_its_closed_form():
    # E|N(m, 2)| = 2/sqrt(pi) exp(-m^2/4) + m erf(m/2), Szekely and Rizzo.
    m = 1.3
    mean_gap = 2 / math.sqrt(math.pi) * math.exp(-(m**2) / 4) + m * math.erf(m / 2)
    expected = 2 * mean_gap - 4 / math.sqrt(math.pi)
    x = quantiles(1000)
    assert energy_distance(x, x + m).item() == pytest.approx(expected, rel=5e-3)


def test_half_precision_and_gradients_are_accepted_and_dropped():
    x = draw(8, 2, dtype=torch.float32).bfloat16().requires_grad_()
    value = mmd(x, x + 1)
    assert value.dtype == torch.float64 and not value.requires_grad


@pytest.mark.parametrize(
    ("x", "y", "error", "message"),
    [
        (
            torch.zeros(3),
            torch.zeros(3, 1),
            ValueError,
            r"x: expected .* shape \(N, d\), got float32 \(3,\)",
        ),
        (
            torch.zeros(2, 0),
            torch.zeros(2, 0),
            ValueError,
            r"x: expected .* shape \(N, d\), got float32 \(2, 0\)",
        ),
        (
            torch.zeros(3, 1),
            torch.zeros(3, 2),
            ValueError,
            r"y: expected 1 columns like x, got .* \(3, 2\)",
        ),
        (
            torch.zeros(3, 1),
            torch.zeros(1, 1),
            ValueError,
            r"y: expected at least 2 samples, got .* \(1, 1\)",
        ),
        (
            torch.zeros(3, 1).long(),
            torch.zeros(3, 1),
            TypeError,
            r"x: expected a float .* got int64 \(3, 1\)",
        ),
        (
            torch.zeros(3, 1),
            [[1.0]],
            TypeError,
            r"y: expected a Tensor, got \[\[1.0\]\]",
        ),
        (
            torch.tensor([[math.nan], [0.0]]),
            torch.zeros(2, 1),
            ValueError,
            "x: expected finite values, got 1 NaN",
        ),
    ],
)
def test_bad_samples_are_named_in_one_line(x, y, error, message):
    with pytest.raises(error, match=message) as caught:
        mmd(x, y)
    assert "\n" not in str(caught.value)


def test_bad_kernels_and_bandwidths_are_named():
    x = torch.zeros(3, 1)
    with pytest.raises(
        ValueError, match="kernel: expected one of rbf, rational_quadratic, energy, got 'cosine'"
    ):
        mmd(x, x, kernel="cosine")
    with pytest.raises(ValueError, match="bandwidths: expected a finite number above 0, got 0"):
        mmd(x, x, bandwidths=[1.0, 0.0])
    with pytest.raises(
        ValueError, match=r"bandwidths: expected a tuple of positive numbers or None, got \(\)"
    ):
        mmd(x, x, bandwidths=[])
    with pytest.raises(
        ValueError, match="bandwidths: expected None, the energy kernel has no scale"
    ):
        mmd(x, x, kernel="energy", bandwidths=[1.0])
