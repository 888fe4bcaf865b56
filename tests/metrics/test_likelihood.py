import math

import pytest
import torch
from scipy import stats
from sklearn.neighbors import KernelDensity
from torch import Tensor

from advlearn.metrics import kde_bandwidth, kde_log_likelihood


def draw(n: int, d: int, seed: int = 0) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize("h", [0.05, 0.4, 3.0])
@pytest.mark.parametrize("d", [1, 5, 70])
def test_the_log_likelihood_agrees_with_scikit_learn(d, h):
    samples, test = draw(40, d), draw(30, d, seed=1)
    expected = KernelDensity(bandwidth=h).fit(samples.numpy()).score(test.numpy()) / len(test)
    assert kde_log_likelihood(samples, test, h).item() == pytest.approx(expected, rel=1e-9)


def test_the_log_likelihood_agrees_with_scipy():
    samples, test = draw(40, 1), draw(30, 1, seed=1)
    density = stats.gaussian_kde(samples[:, 0].numpy(), bw_method=0.3 / samples.std().item())
    expected = density.logpdf(test[:, 0].numpy()).mean()
    assert kde_log_likelihood(samples, test, 0.3).item() == pytest.approx(expected, rel=1e-9)


def test_a_point_far_from_every_sample_has_a_finite_log_likelihood():
    value = kde_log_likelihood(torch.zeros(1, 1), torch.full((1, 1), 1e3), 0.1).item()
    assert value == pytest.approx(
        -0.5 * 1e8 - math.log(0.1) - 0.5 * math.log(2 * math.pi), rel=1e-12
    )


def test_the_bandwidth_is_the_best_of_the_grid_on_the_validation_data():
    samples, validation = draw(200, 2), draw(200, 2, seed=1)
    grid = [0.01, 0.1, 0.3, 1.0, 10.0]
    scores = {
        h: KernelDensity(bandwidth=h).fit(samples.numpy()).score(validation.numpy()) for h in grid
    }
    best = kde_bandwidth(samples, validation, grid)
    assert best == max(scores, key=scores.__getitem__) == 0.3


def test_the_first_of_equal_bandwidths_is_chosen():
    assert kde_bandwidth(torch.zeros(1, 1), torch.ones(1, 1), [5, 1.0, 1, 0.2]) == 1.0


def test_bad_input_is_named():
    x = torch.zeros(3, 2)
    with pytest.raises(ValueError, match="bandwidth: expected a finite number above 0, got -1"):
        kde_log_likelihood(x, x, -1)
    with pytest.raises(
        ValueError, match=r"test: expected 2 columns like samples, got float32 \(3, 1\)"
    ):
        kde_log_likelihood(x, x[:, :1], 1.0)
    with pytest.raises(ValueError, match="samples: expected at least 1 samples, got"):
        kde_log_likelihood(x[:0], x, 1.0)
    with pytest.raises(ValueError, match="grid: expected at least one bandwidth, got none"):
        kde_bandwidth(x, x, [])
