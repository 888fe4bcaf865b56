"""Test scorers, splitters, checked settings and a module of the user, as scikit-learn uses them."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import GridSearchCV, cross_validate
from torch import nn

from advlearn.metrics import (
    demographic_parity_difference,
    information_maximisation,
    soft_neighbourhood_density,
)
from advlearn.sklearn import (
    AdversarialFairClassifier,
    AdversarialFairRegressor,
    DomainAdversarialClassifier,
    DomainFold,
    SemiSupervisedGANClassifier,
    StratifiedGroupFold,
    adaptation_scorer,
    as_rows,
    fairness_scorer,
)

RNG = np.random.default_rng(0)
N = 120
X = RNG.normal(size=(N, 3))
Y = np.where(X[:, 0] + 0.2 * RNG.normal(size=N) > 0, "yes", "no")
SEX = np.where(X[:, 1] + X[:, 0] > 0, "m", "f")
DOMAIN = np.resize([1, 2, -1], N)
QUICK: dict[str, Any] = {"steps": 10, "random_state": 0}


@pytest.mark.parametrize(
    "sensitive", [SEX, pd.DataFrame({"sex": SEX}), pd.Series(SEX)], ids=["array", "frame", "column"]
)
def test_a_search_measures_disparity_of_the_predictions(sensitive: Any) -> None:
    scorer = fairness_scorer("demographic_parity_difference", pos_label="yes")
    with sklearn.config_context(enable_metadata_routing=True):
        model = AdversarialFairClassifier(**QUICK).set_fit_request(sensitive_features=True)
        search = GridSearchCV(
            model, {"adversarial_weight": [0.0, 5.0]}, scoring=scorer, cv=2, refit=True
        ).fit(X, Y, sensitive_features=sensitive)
        own = make_scorer(demographic_parity_difference, pos_label="yes").set_score_request(
            sensitive_features=True
        )
        score = own(search.best_estimator_, X, Y, sensitive_features=sensitive)
    decided = search.predict(X) == "yes"
    by_hand = abs(decided[SEX == "m"].mean() - decided[SEX == "f"].mean())
    assert score == pytest.approx(by_hand)
    # The scores of a search are negated differences of its folds.
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert (search.cv_results_["mean_test_score"] <= 0).all()


def test_weights_are_routed_to_fit() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = AdversarialFairClassifier(**QUICK).set_fit_request(
            sensitive_features=True, sample_weight=True
        )
        model.set_score_request(sample_weight=True)
        found = cross_validate(
            model, X, Y, cv=2, params={"sensitive_features": SEX, "sample_weight": np.ones(N)}
        )
    assert np.isfinite(found["test_score"]).all()


def test_adaptation_is_scored_on_the_target_without_its_labels() -> None:
    model = DomainAdversarialClassifier(**QUICK).fit(X, Y, sample_domain=DOMAIN)
    logits = torch.from_numpy(model.predict_proba(X[DOMAIN < 0])).log()
    with sklearn.config_context(enable_metadata_routing=True):
        for name, measure in (
            ("information_maximisation", information_maximisation),
            ("soft_neighbourhood_density", soft_neighbourhood_density),
        ):
            score = adaptation_scorer(name)(model, X, Y, sample_domain=DOMAIN)
            assert score == pytest.approx(measure(logits))
        search = GridSearchCV(
            DomainAdversarialClassifier(**QUICK).set_fit_request(sample_domain=True),
            {"adversarial_weight": [0.0, 1.0]},
            scoring=adaptation_scorer("information_maximisation"),
            cv=DomainFold(2),
        )
        folds = list(DomainFold(2).split(X, Y, DOMAIN))
        search.set_params(cv=folds).fit(X, Y, sample_domain=DOMAIN)
    assert (search.cv_results_["mean_test_score"] > 0).all()


def test_folds_of_domains_hold_every_domain_and_class() -> None:
    y = np.where(DOMAIN < 0, "unheard", Y)
    for test, sign in (("all", None), ("source", 1), ("target", -1)):
        tested = []
        for train, held in DomainFold(3, test=test, shuffle=True, random_state=0).split(
            X, y, DOMAIN
        ):
            assert set(DOMAIN[train]) == {1, 2, -1} and not set(train) & set(held)
            assert {(d, c) for d, c in zip(DOMAIN[train], y[train], strict=True)} == {
                (d, c) for d, c in zip(DOMAIN, y, strict=True)
            }
            assert sign is None or set(np.sign(DOMAIN[held])) == {sign}
            tested.extend(held.tolist())
        assert (
            sorted(tested) == np.flatnonzero([sign in (None, s) for s in np.sign(DOMAIN)]).tolist()
        )


def test_folds_of_groups_hold_every_group_and_class() -> None:
    rare = np.where(np.arange(N) % 20 == 0, "c", SEX)
    y = np.arange(N) // 20 % 2
    for _, held in StratifiedGroupFold(3).split(X, y, pd.DataFrame({"race": rare})):
        assert set(rare[held]) == {"c", "m", "f"}
        assert len(set(zip(rare[held], y[held], strict=True))) == 6
    with pytest.raises(
        ValueError, match=r"^groups: expected 5 or more samples of each group and cl"
    ):
        next(StratifiedGroupFold(5).split(X, y, rare))
    with pytest.raises(ValueError, match=r"^groups: expected the domain of each sample, got None"):
        next(DomainFold().split(X, y))


def test_several_sensitive_features_are_cut_into_folds() -> None:
    with sklearn.config_context(enable_metadata_routing=True):
        model = AdversarialFairClassifier(**QUICK).set_fit_request(sensitive_features=True)
        columns = {"sex": SEX, "age": X[:, 1]}
        expected = None
        for sensitive in (pd.DataFrame(columns), as_rows(columns)):
            found = cross_validate(model, X, Y, cv=2, params={"sensitive_features": sensitive})
            scores = found["test_score"].tolist()
            assert scores == (expected or scores)
            expected = scores
    with pytest.raises(
        ValueError, match=r"^sex: .* scikit-learn does not cut a mapping into folds"
    ):
        model.fit(X[:60], Y[:60], sensitive_features=columns)


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"batch_size": 0}, r"^batch_size: expected a whole number of at least 1, got 0; "),
        ({"batch_size": -5}, r"^batch_size: expected a whole number of at least 1, got -5; "),
        ({"steps": 10.5}, r"^steps: expected a whole number of at least 1, got 10.5; "),
        ({"steps": True}, r"^steps: expected a whole number of at least 1, got True; "),
        ({"lr": 0}, r"^lr: expected a finite number above 0, got 0; "),
        ({"lr": -1.0}, r"^lr: expected a finite number above 0, got -1.0; "),
        ({"lr": float("nan")}, r"^lr: expected a finite number above 0, got nan; "),
        ({"critic_steps": 0}, r"^critic_steps: expected a whole number of at least 1, got 0; "),
        ({"balance_groups": "no"}, r"^balance_groups: expected True or False, got 'no'; "),
        ({"hidden": 64}, r"^hidden: expected a sequence, got 64; pass a list or a tuple$"),
        ({"hidden": (8, 0)}, r"^hidden: expected a whole number of at least 1, got 0; "),
        ({"warmup": 2.0}, r"^warmup: expected a finite number of at least 0 and at most 1"),
        (
            {"adversarial_weight": -1.0},
            r"^adversarial_weight: expected a finite number of at least",
        ),
        ({"max_disparity": 5}, r"^max_disparity: expected a finite number of at least 0 and at mo"),
        ({"module": 3}, r"^module: expected a torch module, or a function"),
        ({"module": nn.Linear(3, 1), "hidden": (8,)}, r"^hidden: expected None with module"),
    ],
)
def test_a_setting_without_meaning_is_refused(settings: dict[str, Any], line: str) -> None:
    for kind in (AdversarialFairClassifier, AdversarialFairRegressor):
        y = Y if kind is AdversarialFairClassifier else X[:, 0]
        with pytest.raises((TypeError, ValueError), match=line):
            kind(**settings).fit(X, y, sensitive_features=SEX)


def test_numbers_of_numpy_are_settings() -> None:
    model = AdversarialFairClassifier(
        steps=np.int64(3), lr=np.float32(1e-3), hidden=np.array([8]),
        adversarial_weight=np.float64(1), random_state=np.random.default_rng(0),
    )  # fmt: skip
    assert model.fit(X, Y, sensitive_features=SEX).predict(X).shape == (N,)


class Backbone(nn.Module):
    """A network of the user, of samples of several axes."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.outputs = outputs
        self.trunk = nn.Sequential(nn.Flatten(), nn.Linear(3, 5), nn.Tanh())
        self.top = nn.Linear(5, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.top(self.trunk(x))
        return out[:, 0] if self.outputs == 1 else out


@pytest.mark.parametrize(
    ("kind", "outputs", "settings", "extra"),
    [
        (AdversarialFairClassifier, 1, {"layer": "trunk"}, {"sensitive_features": SEX}),
        (AdversarialFairRegressor, 1, {}, {"sensitive_features": SEX}),
        (DomainAdversarialClassifier, 2, {"layer": "trunk"}, {"sample_domain": DOMAIN}),
        (SemiSupervisedGANClassifier, 2, {}, {}),
    ],
)
def test_a_module_of_the_user_is_trained(
    kind: Any, outputs: int, settings: Any, extra: dict[str, Any]
) -> None:
    own = Backbone(outputs)
    before = own.top.weight.detach().clone()
    y = X[:, 0] if kind is AdversarialFairRegressor else Y
    model = clone(kind(module=own, **settings, **QUICK)).fit(X, y, **extra)
    assert any(isinstance(part, Backbone) for part in model.task_.modules())
    assert torch.equal(own.top.weight, before)
    if kind is not SemiSupervisedGANClassifier:
        of_images = kind(module=lambda shape, k: Backbone(k), **settings, **QUICK)
        assert len(of_images.fit(X.reshape(N, 1, 3), y, **extra).predict(X.reshape(N, 1, 3))) == N


def test_options_of_adaptation_reach_the_task() -> None:
    model = DomainAdversarialClassifier(
        conditioning="predictions",
        entropy=True,
        gradient_reversal=True,
        dann_schedule=False,
        **QUICK,
    ).fit(X, Y, sample_domain=DOMAIN)
    task = model.task_
    assert task.entropy and task.gradient_reversal and task.adversarial_weight_at(0.0) == 1.0
    with pytest.raises(ValueError, match=r"^entropy: expected False without conditioning"):
        DomainAdversarialClassifier(entropy=True, **QUICK).fit(X, Y, sample_domain=DOMAIN)


def test_other_estimators_are_scored_too() -> None:
    model = LogisticRegression().fit(X, Y)
    with sklearn.config_context(enable_metadata_routing=True):
        score = fairness_scorer("demographic_parity_ratio", pos_label="yes")(
            model, X, Y, sensitive_features=SEX
        )
    decided = model.predict(X) == "yes"
    rates = [decided[group == SEX].mean() for group in "fm"]
    assert score == pytest.approx(min(rates) / max(rates))


@pytest.mark.parametrize(
    ("sensitive", "message"),
    [
        ({"a": 1}, r"in column 'a', got shape \(\)"),
        ({"a": np.zeros((20, 2))}, r"in column 'a', got shape \(20, 2\)"),
        (5, r"or several, \(N, k\), got shape \(\)"),
        ("m", r"or several, \(N, k\), got shape \(\)"),
        (10 * [[1, 2], [3]], r"or rows of one length, got rows such as \[1, 2\]"),
    ],
)
def test_sensitive_features_of_another_form_are_one_line(sensitive: Any, message: str) -> None:
    x = np.random.default_rng(0).normal(size=(20, 3))
    with pytest.raises(ValueError, match=f"^sensitive_features: .*{message}"):
        AdversarialFairClassifier(steps=1).fit(x, x[:, 0] > 0, sensitive_features=sensitive)
