"""Test small groups, combinations of attributes, and a wanted disparity instead of a weight."""

import warnings
from typing import Any

import numpy as np
import pytest
import torch

from advlearn.data import TabularDataset
from advlearn.data.compared_groups import compared_groups, joined_columns
from advlearn.metrics import demographic_parity_difference
from advlearn.sklearn import (
    AdversarialFairClassifier,
    AdversarialFairRegressor,
    GroupThresholds,
    disparity,
)
from advlearn.tasks.fairness import Fairness

RNG = np.random.default_rng(0)
N = 2000
QUICK: dict[str, Any] = {"steps": 200, "random_state": 0}


def table(share: float) -> TabularDataset:
    g = (torch.arange(N) < share * N).long()
    return TabularDataset(torch.randn(N, 2), torch.arange(N) % 2, {"sex": g}, {"sex": ("m", "f")})


@pytest.mark.parametrize(("share", "balanced"), [(0.5, False), (0.15, False), (0.05, True)])
def test_a_small_group_is_balanced_by_default(share: float, balanced: bool) -> None:
    assert Fairness.from_data(table(share)).balance_groups is balanced


def test_a_small_group_that_is_not_balanced_is_named() -> None:
    with pytest.warns(UserWarning, match=r"^sex=f: 5.0% of the samples, hardly seen"):
        Fairness.from_data(table(0.05), balance_groups=False)
    with pytest.warns(UserWarning, match=r"^sex=f: 4 of 2000 samples, too few to tell"):
        Fairness.from_data(table(0.002))
    # Women with class 1 are few, which counts for a criterion within classes only.
    data = table(0.15)
    y = torch.where(data.sensitive["sex"] == 1, torch.arange(N) % 10 == 0, torch.arange(N) % 2 == 0)
    few = TabularDataset(data.x, y.long(), data.sensitive, data.sensitive_names)
    assert not Fairness.from_data(few).balance_groups
    assert Fairness.from_data(few, criterion="equalized_odds").balance_groups


def test_a_small_group_is_protected_by_default() -> None:
    g = (RNG.random(N) < 0.03).astype(int)
    X = RNG.normal(size=(N, 3))
    X[:, 0] += 2 * g
    y = (X[:, 0] + X[:, 1] > 0.5).astype(int)
    gaps = []
    for balance in (False, None):
        model = AdversarialFairClassifier(
            adversarial_weight=3.0, balance_groups=balance, steps=400, random_state=0
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(X, y, sensitive_features=g)
        gaps.append(demographic_parity_difference(y, model.predict(X), sensitive_features=g))
    assert gaps[1] < 0.1 < gaps[0]


def test_combinations_are_coded_by_hand() -> None:
    attributes = {"sex": 2, "age": 0, "race": 3}
    columns = {"sex": torch.tensor([0, 1, 1]), "age": torch.tensor([0.1, 0.2, 0.3])}
    columns["race"] = torch.tensor([2, 0, 2])
    assert compared_groups(attributes, combine=True) == {"sex & race": 6, "age": 0}
    joined = joined_columns(columns, attributes, combine=True)
    assert joined["sex & race"].tolist() == [2, 3, 5] and list(joined) == ["sex & race", "age"]
    assert compared_groups(attributes, combine=False) == attributes


def xor() -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    rng = np.random.default_rng(1)
    sex, race = rng.integers(0, 2, (2, N))
    X = np.stack([sex ^ race, rng.normal(size=N)], 1) + 0.2 * rng.normal(size=(N, 2))
    y = (X[:, 0] + 0.5 * X[:, 1] > 0.5).astype(int)
    return X, y, {"sex": sex, "race": race}


def test_combined_attributes_are_protected_where_each_alone_is_not_enough() -> None:
    X, y, sensitive = xor()
    gaps = []
    for combine in (False, True):
        model = AdversarialFairClassifier(
            adversarial_weight=10.0, combine_groups=combine, **{**QUICK, "steps": 400}
        ).fit(X, y, sensitive_features=sensitive)
        gaps.append(
            demographic_parity_difference(y, model.predict(X), sensitive_features=sensitive)
        )
        assert set(model.health_) == ({"sex & race"} if combine else {"sex", "race"})
    assert gaps[1] < 0.25 < 0.6 < gaps[0]
    decided = model.predict(X)
    assert disparity(model, y, decided, sensitive) == gaps[1]
    separately = AdversarialFairClassifier(steps=1, random_state=0).fit(X, y, sensitive)
    assert disparity(separately, y, (sensitive["sex"] ^ sensitive["race"]), sensitive) < 0.1


def proxy(n: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    sex = rng.integers(0, 2, n)
    X = np.stack([sex + 0.5 * rng.normal(size=n), rng.normal(size=n)], 1)
    return X, (X[:, 0] + X[:, 1] > 0.5).astype(int), sex


def test_the_wanted_disparity_is_reached_at_the_best_score() -> None:
    X, y, sex = proxy(3000, 0)
    Xt, yt, st = proxy(6000, 1)
    model = AdversarialFairClassifier(max_disparity=0.05, steps=300, random_state=0)
    model.fit(X, y, sensitive_features=sex)
    weights = [point.adversarial_weight for point in model.search_]
    assert model.adversarial_weight_ in weights and weights[0] == 0.0
    chosen = max(p.score for p in model.search_ if p.disparity <= 0.05)
    assert chosen == next(
        p.score for p in model.search_ if p.adversarial_weight == model.adversarial_weight_
    )
    gap = demographic_parity_difference(yt, model.predict(Xt), sensitive_features=st)
    # 3,000 samples tell a difference of 0.05 up to twice 0.02.
    assert gap < 0.09
    plain = AdversarialFairClassifier(adversarial_weight=0.0, steps=300, random_state=0)
    plain.fit(X, y, sensitive_features=sex)
    assert demographic_parity_difference(yt, plain.predict(Xt), sensitive_features=st) > 0.3
    # The fair optimum ignores the first feature.
    assert (model.predict(Xt) == yt).mean() > 0.65


def test_a_disparity_out_of_reach_is_a_warning() -> None:
    X, y, sex = proxy(200, 0)
    model = AdversarialFairClassifier(max_disparity=0.0, steps=4, random_state=0)
    with pytest.warns(
        UserWarning, match=r"^max_disparity: expected a disparity of at most 0 on 200"
    ):
        model.fit(X, y, sensitive_features=sex)


def test_an_early_stop_keeps_the_best_checkpoint() -> None:
    X, y, sex = proxy(300, 0)
    for kind in (AdversarialFairClassifier, AdversarialFairRegressor):
        model = kind(early_stopping=True, patience=1, steps=400, random_state=0)
        model.fit(X, y, sensitive_features=sex)
        assert model.predict(X).shape == (300,)


def test_thresholds_give_groups_equal_rates() -> None:
    from sklearn.linear_model import LogisticRegression

    X, y, sex = proxy(2000, 0)
    sex = np.where(sex == 1, "m", "f")
    base = LogisticRegression().fit(X, y)
    rates = {}
    for allowed in (0.0, 0.1, 1.0):
        model = GroupThresholds(base, max_disparity=allowed, prefit=True)
        decided = model.fit(X, y, sensitive_features=sex).predict(X, sensitive_features=sex)
        gap = demographic_parity_difference(y, decided, sensitive_features=sex)
        assert gap <= allowed + 0.002
        rates[allowed] = (decided == y).mean()
    # Without a limit each group has its most accurate threshold.
    assert rates[0.0] < rates[0.1] < rates[1.0] >= (base.predict(X) == y).mean()
    odds = GroupThresholds(base, criterion="equal_opportunity", prefit=True)
    decided = odds.fit(X, y, sensitive_features=sex).predict(X, sensitive_features=sex)
    positive = [decided[(y == 1) & (sex == group)].mean() for group in "mf"]
    assert abs(positive[0] - positive[1]) < 0.01


def test_thresholds_are_the_best_of_all_pairs() -> None:
    class Score:
        classes_ = np.array([0, 1])

        def decision_function(self, X: np.ndarray) -> np.ndarray:
            return X[:, 0]

    rng = np.random.default_rng(3)
    x, sex = rng.normal(size=(24, 1)), np.arange(24) % 2
    y = (x[:, 0] + rng.normal(size=24) + sex > 0.5).astype(int)
    model = GroupThresholds(Score(), max_disparity=0.2, prefit=True)
    decided = model.fit(x, y, sensitive_features=sex).predict(x, sensitive_features=sex)
    limits = [-np.inf, *(np.sort(x[:, 0]) + 1e-9)]
    best = max(
        float((tried == y).mean())
        for one in limits
        for other in limits
        if abs(
            (tried := (x[:, 0] > np.where(sex == 1, one, other)).astype(int))[sex == 1].mean()
            - tried[sex == 0].mean()
        )
        <= 0.2 + 1e-9
    )
    assert (decided == y).mean() == best
