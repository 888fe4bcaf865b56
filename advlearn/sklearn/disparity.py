"""Disparity of the predictions of a fair estimator, by the estimator's own criterion."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from advlearn.core.arguments import NonNegative, checked
from advlearn.core.checks import shown
from advlearn.data import attribute_columns
from advlearn.data.table_columns import to_array
from advlearn.metrics import grouped, mean_difference, quantile_difference


@checked
@final
@dataclass(frozen=True, slots=True)
class Point:
    """Hold the score and disparity of one adversarial weight.

    Args:
        adversarial_weight: Weight of the adversary.
        score: The estimator's `score` on test samples: accuracy, or R^2 for a regressor.
        disparity: The largest difference by the estimator's criterion, see `disparity`.
        estimator: The fitted estimator.
    """

    adversarial_weight: NonNegative
    score: float
    disparity: float
    estimator: Any


@checked
def disparity(estimator: Any, y_true: Any, y_pred: Any, sensitive_features: Any) -> float:
    """Compute the largest difference between groups by a fair estimator's criterion.

    It compares what the estimator protects: each attribute by itself, or with `combine_groups`
    their combinations.

    Args:
        estimator: A fitted `AdversarialFairClassifier` or `AdversarialFairRegressor`.
        y_true: Targets (n,).
        y_pred: The estimator's predictions (n,).
        sensitive_features: As for `fit`.

    Returns:
        The largest difference of the shares of a predicted class, within classes for a conditional
        criterion; for a regressor that of mean predictions, in units of y. Numeric attributes are
        compared by tenths of the samples. Groups without samples of a class are left out.

    Raises:
        TypeError: The estimator is not a fair one, or not fitted.
        ValueError: All samples are in one group, or the columns are not those of `fit`.

    Example:
        >>> from advlearn.sklearn import AdversarialFairClassifier
        >>> X = np.random.default_rng(0).normal(size=(60, 3))
        >>> y, sex = (X[:, 0] > 0).astype(int), X[:, 1] > 0
        >>> model = AdversarialFairClassifier(steps=3, random_state=0).fit(X, y, sex)
        >>> disparity(model, [1, 1, 0, 1], [1, 1, 0, 1], ["True", "True", "False", "False"])
        0.5
    """
    if not hasattr(estimator, "groups_"):
        raise TypeError(
            f"estimator: expected a fair estimator that is fitted, got {shown(estimator)}; call "
            "its fit first"
        )
    truth = grouped.column("y_true", y_true)
    predicted = grouped.column("y_pred", y_pred, len(truth))
    columns = {n: to_array(v) for n, v in attribute_columns(sensitive_features).items()}
    if columns.keys() != estimator.groups_.keys():
        raise ValueError(
            f"sensitive_features: expected the columns of fit, {', '.join(estimator.groups_)}, "
            f"got {', '.join(columns)}"
        )
    groups = {name: values for name, values in columns.items() if estimator.groups_[name]}
    numbers = [values for name, values in columns.items() if not estimator.groups_[name]]
    compared = [groups] if estimator.combine_groups and groups else list(groups.values())
    return max(
        difference
        for value, part in _compared(estimator, truth, predicted)
        for difference in (
            *(_between(truth, value, one, part) for one in compared),
            *(_of_tenths(truth, value, one, part) for one in numbers),
        )
    )


def _compared(
    estimator: Any, y_true: np.ndarray, y_pred: np.ndarray
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield numbers (n,) and the samples among which their means are compared, booleans (n,)."""
    every = np.ones(len(y_true), dtype=bool)
    if not hasattr(estimator, "classes_"):
        yield y_pred, every
        return
    classes, criterion = estimator.classes_, estimator.task_.criterion
    if criterion == "demographic_parity":
        among = [every]
    elif criterion == "equalized_odds":
        among = [y_true == label for label in classes]
    else:
        among = [y_true == classes[-1 if len(classes) < 2 else 1]]
    for label in classes[1:] if len(classes) == 2 else classes:
        for part in among:
            yield (y_pred == label).astype(float), part


def _between(y_true: np.ndarray, value: np.ndarray, groups: Any, part: np.ndarray) -> float:
    if part.all():
        return mean_difference(y_true, value, sensitive_features=groups)
    chosen = _rows(groups, part)
    columns = list(chosen.values()) if isinstance(chosen, dict) else [chosen]
    if all(len(set(column.tolist())) < 2 for column in columns):
        return 0.0  # at most one group has samples of this class
    return mean_difference(y_true[part], value[part], sensitive_features=chosen)


def _of_tenths(y_true: np.ndarray, value: np.ndarray, numbers: Any, part: np.ndarray) -> float:
    return quantile_difference(y_true[part], value[part], sensitive_features=numbers[part])


def _rows(groups: Any, part: np.ndarray) -> Any:
    if isinstance(groups, dict):
        return {name: values[part] for name, values in groups.items()}
    return groups[part]
