"""Test sample weights and class weights: in the losses, and in what the estimators learn."""

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from advlearn.data import ArrayDataset, TabularDataset, batches
from advlearn.data.compound import Domains
from advlearn.nets import MLPPredictor
from advlearn.sklearn import (
    AdversarialFairClassifier,
    AdversarialFairRegressor,
    DomainAdversarialClassifier,
    SemiSupervisedGANClassifier,
)
from advlearn.tasks.domain_adaptation import DomainAdaptation
from advlearn.tasks.fairness import Fairness

RNG = np.random.default_rng(0)
N = 200
X = RNG.normal(size=(N, 2))
SEX = np.resize(["f", "m"], N)
# The two halves have opposite labels for the same samples.
X[N // 2 :] = X[: N // 2]
HALF = np.arange(N) < N // 2
Y = np.where(HALF, X[:, 0] > 0, X[:, 0] <= 0).astype(int)
QUICK: dict[str, Any] = {"steps": 100, "lr": 1e-2, "random_state": 0}


def table(weights: torch.Tensor | None) -> TabularDataset:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(8, 2, generator=g), torch.arange(8) % 2
    return TabularDataset(x, y, {"sex": (torch.arange(8) > 3).long()}, loss_weights=weights)


def test_the_loss_of_a_weighted_batch_is_the_weighted_mean() -> None:
    weights = torch.arange(8.0)
    task = Fairness(MLPPredictor((2,), 1), shape=(2,), attributes={"sex": 2}, class_weight=(1, 3))
    batch = next(batches(table(weights), 8))
    x, y, _, w = batch
    losses = binary_cross_entropy_with_logits(task.model(x), y.float(), reduction="none")
    total = w * torch.where(y == 1, 3.0, 1.0)
    output = task(batch)
    torch.testing.assert_close(output.loss, (total * losses).sum() / total.sum())
    # Observed pairs have the weight of their sample, independent ones the product of two.
    pair = output.pairs["sex"]
    assert torch.equal(pair.fake_weights, w)
    assert float(pair.real_weights.sum()) == pytest.approx(
        float(sum(a * b for a, b in zip(w, pair.real_weights / w.clamp(min=1e-9), strict=True)))
    )


def test_the_loss_of_weighted_sources_is_the_weighted_mean() -> None:
    x, y = torch.randn(8, 2), torch.arange(8) % 2
    weights = torch.arange(8.0)
    data = Domains((ArrayDataset(x, y, "a", 2),), ArrayDataset(x + 1), loss_weights=(weights,))
    task = DomainAdaptation(MLPPredictor((2,), 2), shape=(2,))
    xs, ys, ws, *_ = batch = next(batches(data, 8))
    losses = cross_entropy(task.model(xs), ys, reduction="none")
    output = task(batch)
    torch.testing.assert_close(output.loss, (ws * losses).sum() / ws.sum())
    assert torch.equal(output.pairs["domain"].real_weights, ws)


CASES = [
    (AdversarialFairClassifier(adversarial_weight=1.0, **QUICK), {"sensitive_features": SEX}),
    (DomainAdversarialClassifier(**QUICK), {"sample_domain": np.resize([1, 1, -1, -1], N)}),
    (DomainAdversarialClassifier("deep-coral", **QUICK), {"sample_domain": np.resize([1, -1], N)}),
    (DomainAdversarialClassifier("cdan+e", **QUICK), {"sample_domain": np.resize([1, -1], N)}),
    (SemiSupervisedGANClassifier(**QUICK), {}),
]


@pytest.mark.parametrize(("model", "extra"), CASES, ids=lambda case: type(case).__name__)
def test_the_samples_with_weight_decide(model: Any, extra: Any) -> None:
    for weight, right in ((np.where(HALF, 1.0, 0.01), HALF), (np.where(HALF, 0.01, 1.0), ~HALF)):
        model.fit(X, Y, sample_weight=weight, **extra)
        assert (model.predict(X) == Y)[right].mean() > 0.85


def test_a_sample_of_weight_zero_is_left_out() -> None:
    weight = HALF.astype(float)
    # Few steps: a weighted mean of ones is rounded otherwise than a mean, by 3e-9 after one step,
    # which the game makes ten million times larger in a hundred.
    few = {**QUICK, "steps": 10}
    for kind in (AdversarialFairClassifier, AdversarialFairRegressor):
        whole = kind(**few).fit(X, Y, sensitive_features=SEX, sample_weight=weight)
        part = kind(**few).fit(X[HALF], Y[HALF], sensitive_features=SEX[HALF])
        counted = kind(**few).fit(X, Y, sensitive_features=SEX)
        name = "predict_proba" if kind is AdversarialFairClassifier else "predict"
        found, expected, other = (getattr(m, name)(X) for m in (whole, part, counted))
        assert found == pytest.approx(expected, abs=1e-5)
        assert other != pytest.approx(expected, abs=1e-2)


def test_class_weights_move_the_decisions() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(400, 2))
    rare = x[:, 0] + 0.8 * rng.normal(size=400) > 1.5
    shares = []
    for weight in (None, "balanced", {False: 1, True: 20}):
        model = AdversarialFairClassifier(class_weight=weight, **QUICK)
        model.fit(x, rare, sensitive_features=np.resize(["a", "b"], 400))
        shares.append(model.predict(x)[rare].mean())
    assert shares[0] + 0.2 < shares[1] <= shares[2]


@pytest.mark.parametrize(
    ("weight", "line"),
    [
        (np.ones(3), r"sample_weight.shape == \(3,\), expected \(200,\)"),
        (np.zeros(N), r"at least one non-zero"),
        (-np.ones(N), r"[Nn]egative"),
    ],
)
def test_bad_weights_are_refused(weight: np.ndarray, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        AdversarialFairClassifier(steps=1).fit(X, Y, SEX, sample_weight=weight)
