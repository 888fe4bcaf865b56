"""Fairness of predictions: differences of rates and means between groups of samples.

Every measure is called as scikit-learn and fairlearn call one: `f(y_true, y_pred, *,
sensitive_features, sample_weight)`, so that `make_scorer` and grid search take it. Labels,
predictions, groups and weights may be tensors, arrays, lists or columns of a data frame. Results
are Python floats. Groups that do not occur are left out. Each combination of several attributes is
one group.
"""

import warnings
from typing import Any

import numpy as np

from advlearn.metrics import grouped


def demographic_parity_difference(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Compute the largest difference of selection rates between groups.

    .. math:: \max_a P(\hat y = 1 | a) - \min_a P(\hat y = 1 | a)

    Args:
        y_true: Labels (N,); not used, so that scikit-learn can call every measure alike.
        y_pred: Predicted labels (N,); see `group_report` for the accepted types.
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's `MetricFrame.difference`.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `group_report`, or all samples are in one group.

    Example:
        >>> y_pred, sex = [1, 1, 0, 1], ["a", "a", "b", "b"]
        >>> demographic_parity_difference(y_pred, y_pred, sensitive_features=sex)
        0.5
    """
    return grouped.difference(_selection(y_pred, sensitive_features, sample_weight, pos_label))


def demographic_parity_ratio(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Compute the smallest ratio of selection rates between groups.

    .. math:: \min_a P(\hat y = 1 | a) / \max_a P(\hat y = 1 | a)

    Args:
        y_true: Labels (N,); not used, so that scikit-learn can call every measure alike.
        y_pred: Predicted labels (N,); see `group_report` for the accepted types.
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        In [0, 1]; 1 is parity, and the "four-fifths rule" requires 0.8. NaN where no sample is
        selected.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Example:
        >>> y_pred, sex = [1, 1, 0, 1], ["a", "a", "b", "b"]
        >>> demographic_parity_ratio(y_pred, y_pred, sensitive_features=sex)
        0.5
    """
    return grouped.ratio(_selection(y_pred, sensitive_features, sample_weight, pos_label))


def equal_opportunity_difference(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Compute the largest difference of true positive rates between groups.

    The true positive rate of group a is P(prediction = 1 | label = 1, a).

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's `MetricFrame.difference`.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: A group has no positive label; its rate counts as 0, like in fairlearn.

    Example:
        >>> y_true, y_pred, sex = [1, 1, 1, 0], [1, 1, 0, 1], ["a", "a", "b", "b"]
        >>> equal_opportunity_difference(y_true, y_pred, sensitive_features=sex)
        1.0

    Reference: Hardt et al., "Equality of Opportunity in Supervised Learning", NeurIPS 2016,
    definition 2.2.
    """
    return grouped.difference(
        _odds(y_true, y_pred, sensitive_features, sample_weight, pos_label, (True,))[0]
    )


def equal_opportunity_ratio(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Compute the smallest ratio of true positive rates between groups.

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        In [0, 1]; 1 is parity. NaN where every rate is 0.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: As `equal_opportunity_difference`.

    Example:
        >>> y_true, y_pred, sex = [1, 1, 1, 1], [1, 1, 0, 1], ["a", "a", "b", "b"]
        >>> equal_opportunity_ratio(y_true, y_pred, sensitive_features=sex)
        0.5
    """
    return grouped.ratio(
        _odds(y_true, y_pred, sensitive_features, sample_weight, pos_label, (True,))[0]
    )


def equalized_odds_difference(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Compute the larger of the differences of true positive and of false positive rates.

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's function of this name with its defaults.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: A group lacks one of the labels; that rate counts as 0, like in
            fairlearn.

    Example:
        >>> y_true, y_pred = [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0]
        >>> sex = ["a", "a", "a", "b", "b", "b"]
        >>> equalized_odds_difference(y_true, y_pred, sensitive_features=sex)
        0.5

    Reference: Hardt et al., "Equality of Opportunity in Supervised Learning", NeurIPS 2016,
    definition 2.1.
    """
    return max(
        grouped.difference(rate)
        for rate in _odds(
            y_true, y_pred, sensitive_features, sample_weight, pos_label, (True, False)
        )
    )


def equalized_odds_ratio(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> float:
    r"""Compute the smaller of the ratios of true positive and of false positive rates.

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        In [0, 1]; 1 is parity. NaN without a true positive; the ratio of the true positive rates
        without a false positive. Equal to fairlearn's function of this name with its defaults.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: As `equalized_odds_difference`.

    Example:
        >>> y_true, y_pred, sex = [1, 0, 1, 0, 0], [1, 1, 1, 1, 0], ["a", "a", "b", "b", "b"]
        >>> equalized_odds_ratio(y_true, y_pred, sensitive_features=sex)
        0.5
    """
    true, false = (
        grouped.ratio(rate)
        for rate in _odds(
            y_true, y_pred, sensitive_features, sample_weight, pos_label, (True, False)
        )
    )
    return true if np.isnan(true) or np.isnan(false) else min(true, false)


def _selection(y_pred: Any, groups: Any, weights: Any, pos_label: Any) -> np.ndarray:
    predicted = grouped.positives("y_pred", y_pred, pos_label=pos_label)
    return grouped.GroupedSamples(groups, weights, len(predicted), compare=True).mean(predicted)


def _odds(
    y_true: Any, y_pred: Any, groups: Any, weights: Any, pos_label: Any, labels: tuple[bool, ...]
) -> list[np.ndarray]:
    """Compute rates of positive predictions by group, for samples of each of `labels`."""
    label = grouped.positives("y_true", y_true, pos_label=pos_label)
    predicted = grouped.positives("y_pred", y_pred, len(label), pos_label=pos_label)
    table = grouped.GroupedSamples(groups, weights, len(label), compare=True)
    rates = [table.mean(predicted, label == value) for value in labels]
    for value, rate in zip(labels, rates, strict=True):
        for index in np.flatnonzero(np.isnan(rate)):
            kind, which = ("positive", "true") if value else ("negative", "false")
            warnings.warn(
                f"sensitive_features: {table.groups.labels[index]!r} has no {kind} label; its "
                f"{which} positive rate counts as 0",
                RuntimeWarning,
                stacklevel=3,
            )
    return [np.nan_to_num(rate, nan=0.0) for rate in rates]
