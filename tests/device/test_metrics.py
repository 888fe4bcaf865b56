"""Test that metrics of tensors on a second device equal those on the host."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from advlearn import metrics
from tests.device.second import DEVICE

GENERATOR = torch.Generator().manual_seed(0)
X, Y = (torch.randn(40, 3, generator=GENERATOR) + shift for shift in (0, 1))
LABELS = torch.arange(40) % 4
METRICS: dict[str, Callable[[Tensor, Tensor, Tensor], Any]] = {
    "accuracy": lambda x, y, c: metrics.accuracy(c, c.roll(1)),
    "class_report": lambda x, y, c: metrics.class_report(c, 4),
    "demographic_parity_difference": lambda x, y, c: metrics.demographic_parity_difference(
        c > 1, c > 1, sensitive_features=c % 2
    ),
    "density_coverage": lambda x, y, c: metrics.density_coverage(x, y),
    "energy_distance": lambda x, y, c: metrics.energy_distance(x, y),
    "equalized_odds_difference": lambda x, y, c: metrics.equalized_odds_difference(
        c > 1, c > 2, sensitive_features=c % 2
    ),
    "frechet_distance": lambda x, y, c: metrics.frechet_distance(x, y),
    "inception_score": lambda x, y, c: metrics.inception_score(x),
    "information_maximisation": lambda x, y, c: metrics.information_maximisation(x),
    "kde_bandwidth": lambda x, y, c: metrics.kde_bandwidth(x, y, [0.1, 1.0]),
    "kde_log_likelihood": lambda x, y, c: metrics.kde_log_likelihood(x, y, 0.5),
    "kid": lambda x, y, c: metrics.kid(x, y, subset_size=10),
    "mean_difference": lambda x, y, c: metrics.mean_difference(
        c, x[:, 0], sensitive_features=c % 2
    ),
    "memorisation": lambda x, y, c: metrics.memorisation(x, y, y + 1),
    "mmd": lambda x, y, c: metrics.mmd(x, y),
    "mode_report": lambda x, y, c: metrics.mode_report(x, y[:4], 0.5),
    "mutual_information": lambda x, y, c: metrics.mutual_information(x.softmax(1), c % 3),
    "nearest_k": lambda x, y, c: metrics.nearest_k(x, y, 3),
    "per_class_accuracy": lambda x, y, c: metrics.per_class_accuracy(c, c.roll(1)),
    "per_class_frechet": lambda x, y, c: metrics.per_class_frechet(x, y, c, c),
    "posterior_report": lambda x, y, c: metrics.posterior_report(x, y),
    "precision_recall": lambda x, y, c: metrics.precision_recall(x, y),
    "proxy_a_distance": lambda x, y, c: metrics.proxy_a_distance(x, y),
    "quantile_difference": lambda x, y, c: metrics.quantile_difference(
        c, x[:, 0], sensitive_features=y[:, 0]
    ),
    "sinkhorn_divergence": lambda x, y, c: metrics.sinkhorn_divergence(x, y),
    "sliced_wasserstein": lambda x, y, c: metrics.sliced_wasserstein(x, y),
    "soft_neighbourhood_density": lambda x, y, c: metrics.soft_neighbourhood_density(x),
    "wasserstein_1d": lambda x, y, c: metrics.wasserstein_1d(x[:, 0], y[:, 0]),
}


def numbers(found: Any) -> list[float]:
    leaves = (torch.as_tensor(leaf).cpu().double() for leaf in pytree.tree_leaves(found))
    return [number for leaf in leaves for number in leaf.flatten().tolist()]


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("name", METRICS)
def test_values_agree_with_the_host(name: str) -> None:
    metric = METRICS[name]
    found = metric(X.to(DEVICE), Y.to(DEVICE), LABELS.to(DEVICE))
    assert numbers(found) == pytest.approx(
        numbers(metric(X, Y, LABELS)), rel=1e-6, abs=1e-9, nan_ok=True
    )
