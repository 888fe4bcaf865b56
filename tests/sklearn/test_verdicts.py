"""Test verdicts where both sides are the same samples: dependence is found, and only that."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from advlearn.core.health_statistics import two_sample_p_value
from advlearn.core.independence import p_value_of_independence, shared_sides
from advlearn.metrics import demographic_parity_difference
from advlearn.sklearn import AdversarialFairClassifier, AdversarialFairRegressor

N = 256


def numbers(rho: float, scale: float, seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    h, noise = torch.randn(2, N, 1, generator=g)
    return h, scale * (rho * h + (1 - rho**2) ** 0.5 * noise)


def groups(share: float, gap: float, seed: int) -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    a = (torch.rand(N, generator=g) < share).long()
    return torch.randn(N, 1, generator=g) + gap * a[:, None], a


def p_value(h: Tensor, a: Tensor, *shared: Tensor) -> float:
    order = torch.randperm(N, generator=torch.Generator().manual_seed(9))
    return two_sample_p_value((h, a[order], *shared), (h, a, *shared))


DEPENDENT = {
    "numbers, 0.3": lambda k: numbers(0.3, 1.0, k),
    "numbers, 0.6, other unit": lambda k: numbers(0.6, 15.0, k),
    "numbers, 0.9, large unit": lambda k: numbers(0.9, 1000.0, k),
    "even groups": lambda k: groups(0.5, 0.7, k),
    "group of 10 %": lambda k: groups(0.1, 2.0, k),
    "group of 3 %": lambda k: groups(0.03, 3.0, k),
}


@pytest.mark.parametrize("case", DEPENDENT.values(), ids=DEPENDENT)
def test_dependence_of_shared_samples_is_found(case: Any) -> None:
    assert all(p_value(*case(seed)) < 0.01 for seed in range(5))


@pytest.mark.parametrize(
    "case", [lambda k: numbers(0.0, 1000.0, k), lambda k: groups(0.5, 0.0, k),
             lambda k: groups(0.1, 0.0, k)], ids=["numbers", "groups", "small group"],
)  # fmt: skip
def test_p_values_of_independent_parts_are_uniform(case: Any) -> None:
    found = np.sort([p_value(*case(seed)) for seed in range(40)])
    # Kolmogorov-Smirnov distance at level 0.001 with 40 values.
    uniform = (np.arange(40) + 0.5) / 40
    assert np.abs(found - uniform).max() < 0.3


def test_dependence_through_the_class_does_not_count_within_classes() -> None:
    g = torch.Generator().manual_seed(0)
    y = torch.arange(N) % 2
    h = 3.0 * y[:, None] + torch.randn(N, 1, generator=g)
    a = (torch.rand(N, generator=g) < 0.2 + 0.6 * y).long()
    assert p_value_of_independence(h, a) < 0.01 < p_value_of_independence(h, a, y)
    sides = shared_sides((h, a[y.argsort(stable=True)], y), (h, a, y))
    assert sides is not None and set(sides.given.tolist()) == {0, 1}


def test_repeated_samples_count_once() -> None:
    h, a = groups(0.03, 0.0, 3)
    small, rest = a.nonzero()[:, 0], (a == 0).nonzero()[:, 0]
    drawn = torch.cat([small.repeat(128 // len(small) + 1)[:128], rest[:128]])
    order = torch.randperm(N, generator=torch.Generator().manual_seed(1))
    real, fake = (h[drawn], a[drawn][order]), (h[drawn], a[drawn])
    sides = shared_sides(real, fake)
    assert sides is not None and len(sides.first) == len(small) + 128
    counts = torch.bincount(torch.unique(drawn, return_inverse=True)[1]).float()
    assert sides.effective == int(256**2 / counts.square().sum()) <= 40
    assert two_sample_p_value(real, fake) > 0.01


def test_sides_of_different_samples_are_not_shared() -> None:
    h, a = numbers(0.5, 1.0, 0)
    assert shared_sides((h, a), (h + 1, a)) is None
    assert shared_sides((h, a), (h, a + 1)) is None  # a translation of the same input
    assert shared_sides(h, h) is None


def small_group(share: float = 0.03) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    g = (rng.random(2000) < share).astype(int)
    X = rng.normal(size=(2000, 3))
    X[:, 0] += 2 * g
    return X, (X[:, 0] + X[:, 1] > 0.5).astype(int), g


def test_an_unprotected_model_is_not_called_indistinguishable() -> None:
    X, y, g = small_group()
    model = AdversarialFairClassifier(adversarial_weight=0, steps=100, random_state=0)
    model.fit(X, y, sensitive_features=g)
    gap = demographic_parity_difference(y, model.predict(X), sensitive_features=g)
    words = model.health_["sensitive"]
    assert gap > 0.3 and f"differ by up to {gap:.3f} on 2000 training samples" in words
    assert "outputs depend on 0, 1 (p = 0.005)" in words


def test_a_protected_small_group_is_not_called_inverted() -> None:
    X, y, g = small_group()
    for weight in (4.0, 10.0):
        model = AdversarialFairClassifier(adversarial_weight=weight, steps=300, random_state=0)
        model.fit(X, y, sensitive_features=g)
        assert demographic_parity_difference(y, model.predict(X), sensitive_features=g) < 0.1
        assert "inverted" not in model.health_["sensitive"], model.health_


def test_each_group_and_class_is_tested() -> None:
    rng = np.random.default_rng(0)
    race = np.resize(["a", "b", "c", "d"], 1200)
    X = rng.normal(size=(1200, 2))
    X[:, 0] += 2 * (race == "c")
    y = (X[:, 1] + 0.3 * X[:, 0] > 0).astype(int)
    model = AdversarialFairClassifier(
        adversarial_weight=0, criterion="equalized_odds", steps=150, random_state=0
    ).fit(X, y, sensitive_features={"race": race})
    assert "outputs depend on" in model.health_["race"] and "c" in model.health_["race"]
    model = AdversarialFairRegressor(adversarial_weight=0, steps=150, random_state=0)
    model.fit(X, X[:, 0], sensitive_features={"age": X[:, 0]})
    assert "mean outputs of tenths differ" in model.health_["age"]
    assert "the outputs depend on it (p = 0.005)" in model.health_["age"]
