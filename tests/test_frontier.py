"""Test the frontier of fair estimators: its points, its plot, and refused input."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from advlearn.metrics import (
    demographic_parity_difference,
    equal_opportunity_difference,
    equalized_odds_difference,
    mean_difference,
    quantile_difference,
)
from advlearn.sklearn import AdversarialFairClassifier, AdversarialFairRegressor, frontier

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
Y = np.where(X[:, 0] + 0.3 * RNG.normal(size=80) > 0, "yes", "no")
SEX = np.where(X[:, 1] + X[:, 0] > 0, "m", "f")
AGE = 40 + 10 * X[:, 1]
HALVES = np.arange(80) < 40
FAIR = AdversarialFairClassifier(steps=5, lr=1e-2, random_state=0)
PAY = AdversarialFairRegressor(steps=5, lr=1e-2, random_state=0)


def halves(y: np.ndarray, sensitive: Any) -> tuple[tuple[Any, Any, Any], tuple[Any, Any, Any]]:
    def part(rows: np.ndarray) -> tuple[Any, Any, Any]:
        of_many = (
            {name: values[rows] for name, values in sensitive.items()}
            if isinstance(sensitive, dict)
            else None
        )
        return X[rows], y[rows], sensitive[rows] if of_many is None else of_many

    return part(HALVES), part(~HALVES)


def test_a_point_holds_the_estimator_and_its_figures_on_the_test_samples() -> None:
    train, test = halves(Y, SEX)
    points = frontier(FAIR, train, test, [0.0, 4.0])
    assert [point.adversarial_weight for point in points] == [0.0, 4.0]
    for point in points:
        assert point.estimator.adversarial_weight == point.adversarial_weight
        decided = point.estimator.predict(test[0])
        assert point.score == pytest.approx((decided == test[1]).mean())
        assert point.disparity == demographic_parity_difference(
            test[1], decided == "yes", sensitive_features=test[2]
        )
    again = AdversarialFairClassifier(**{**FAIR.get_params(), "adversarial_weight": 4.0}).fit(
        *train
    )
    assert np.array_equal(points[1].estimator.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize(
    ("criterion", "difference"),
    [
        ("equalized_odds", equalized_odds_difference),
        ("equal_opportunity", equal_opportunity_difference),
    ],
)
def test_the_disparity_is_of_the_estimators_own_criterion(criterion: str, difference: Any) -> None:
    train, test = halves(Y, SEX)
    (point,) = frontier(
        AdversarialFairClassifier(**{**FAIR.get_params(), "criterion": criterion}),
        train,
        test,
        [1.0],
    )
    decided = point.estimator.predict(test[0]) == "yes"
    assert point.disparity == difference(test[1] == "yes", decided, sensitive_features=test[2])


def test_a_regressor_is_measured_by_means_and_numbers_by_tenths() -> None:
    y = 3 * X[:, 0] + X[:, 1]
    for name, values, difference in (
        ("sex", SEX, mean_difference),
        ("age", AGE, quantile_difference),
    ):
        train, test = halves(y, {name: values})
        (point,) = frontier(PAY, train, test, [1.0])
        predicted = point.estimator.predict(test[0])
        assert point.disparity == difference(test[1], predicted, sensitive_features=test[2][name])
        assert point.score == pytest.approx(point.estimator.score(test[0], test[1]))


def test_the_largest_difference_of_several_attributes_counts() -> None:
    train, test = halves(Y, {"sex": SEX, "age": AGE})
    model = AdversarialFairClassifier(**{**FAIR.get_params(), "criterion": "equal_opportunity"})
    (point,) = frontier(model, train, test, [0.0])
    decided, wanted = point.estimator.predict(test[0]) == "yes", test[1] == "yes"
    by_age = quantile_difference(
        wanted[wanted], decided[wanted], sensitive_features=test[2]["age"][wanted]
    )
    assert point.disparity == max(
        by_age, equal_opportunity_difference(wanted, decided, sensitive_features=test[2]["sex"])
    )


@pytest.mark.parametrize(
    ("model", "y"), [(FAIR, Y), (PAY, X[:, 0])], ids=["classifier", "regressor"]
)
def test_the_plot_is_saved_to_the_given_path(model: Any, y: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "new" / "frontier.png"
    frontier(model, *halves(y, SEX), [0.0, 1.0], picture=path)
    assert path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert list(path.parent.iterdir()) == [path]


def test_three_classes_are_compared_one_by_one() -> None:
    y = np.array(["a", "b", "c"])[np.digitize(X[:, 0] + X[:, 1], [-0.5, 0.5])]
    train, test = halves(y, SEX)
    (point,) = frontier(FAIR, train, test, [0.0])
    decided, men = point.estimator.predict(test[0]), test[2] == "m"
    gaps = [abs((decided[men] == k).mean() - (decided[~men] == k).mean()) for k in "abc"]
    assert point.disparity == pytest.approx(max(gaps)) and max(gaps) > 0


GOOD = (X, Y, SEX)


@pytest.mark.parametrize(
    ("estimator", "train", "test", "adversarial_weights", "error", "line"),
    [
        (
            FAIR,
            GOOD,
            GOOD,
            [],
            ValueError,
            r"^adversarial_weights: expected one or more numbers, got none$",
        ),
        (
            FAIR,
            GOOD,
            GOOD,
            [1.0, -1.0],
            ValueError,
            r"^adversarial_weights: expected a finite number of at least 0, got -1.0;",
        ),
        (FAIR, (X, SEX[:40], SEX), GOOD, [1.0], ValueError, r"inconsistent numbers of samples"),
        (
            FAIR,
            GOOD,
            (X, Y, None),
            [1.0],
            ValueError,
            r"^test: expected sensitive features, got none$",
        ),
        (
            FAIR,
            GOOD,
            (X, Y, {"age": AGE}),
            [1.0],
            ValueError,
            r"^test: expected .* of train, sensitive, got age$",
        ),
        (
            LogisticRegression(),
            GOOD,
            GOOD,
            [1.0],
            TypeError,
            r"^estimator: expected a fair .* got LogisticRegression$",
        ),
    ],
)
def test_bad_input_is_one_line(
    estimator: Any,
    train: Any,
    test: Any,
    adversarial_weights: list[float],
    error: type[Exception],
    line: str,
) -> None:
    with pytest.raises(error, match=line) as caught:
        frontier(estimator, train, test, adversarial_weights)
    assert "\n" not in str(caught.value)
