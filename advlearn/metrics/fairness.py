"""Fairness of predictions: differences of rates and means between groups of samples.

Labels, predictions, groups and weights may be tensors, arrays, lists or pandas columns. Results are
Python floats. Groups that do not occur are left out. Each combination of several attributes is one
group.
"""

import warnings
from collections.abc import Hashable
from typing import Any, NamedTuple

import numpy as np

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_count
from advlearn.metrics import _groups


class GroupReport(NamedTuple):
    """Hold the rates of a binary classifier in one group.

    Attributes:
        samples: Number of samples.
        selection_rate: P(prediction = 1).
        true_positive_rate: P(prediction = 1 | label = 1); NaN where no label is 1.
        false_positive_rate: P(prediction = 1 | label = 0); NaN where no label is 0.
        accuracy: P(prediction = label).
    """

    samples: int
    selection_rate: float
    true_positive_rate: float
    false_positive_rate: float
    accuracy: float


def group_report(
    y_true: Any, y_pred: Any, groups: Any, *, weights: Any = None
) -> dict[Hashable, GroupReport]:
    """Compute the rates of a binary classifier in each group.

    Args:
        y_true: Labels (N,): 0 and 1, -1 and 1, or False and True; 1 is the positive class.
        y_pred: Predicted labels (N,) in the same form.
        groups: Group of each sample, any hashable labels (N,); several attributes as (N, k), a data
            frame or a mapping of columns, whose combinations, as tuples, are the groups.
        weights: Weight of each sample (N,), not negative; None for equal weights.

    Returns:
        A report for each group that occurs, in the order of the labels.

    Raises:
        TypeError: Labels that are not numbers, or groups that cannot be hashed.
        ValueError: Wrong shapes, scores instead of labels, a sample without a group, or a group of
            weight 0.

    Example:
        >>> report = group_report([1, 0, 1, 1], [1, 1, 0, 1], ["a", "a", "b", "b"])
        >>> report["b"].selection_rate, report["b"].true_positive_rate, report["b"].accuracy
        (0.5, 0.5, 0.5)
    """
    label = _groups.positives("y_true", y_true)
    predicted = _groups.positives("y_pred", y_pred, len(label))
    table = _groups.GroupedSamples(groups, weights, len(label))
    rates = (
        table.mean(predicted),
        table.mean(predicted, label),
        table.mean(predicted, ~label),
        table.mean(predicted == label),
    )
    counts = np.bincount(table.groups.codes).tolist()
    rows = zip(counts, *(rate.tolist() for rate in rates), strict=True)
    return {group: GroupReport(*row) for group, row in zip(table.groups.labels, rows, strict=True)}


def demographic_parity_difference(y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Compute the largest difference of selection rates between groups.

    .. math:: \max_a P(\hat y = 1 | a) - \min_a P(\hat y = 1 | a)

    Args:
        y_pred: Predicted labels (N,); see `group_report` for the accepted types.
        groups: Group of each sample, at least two groups.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's `MetricFrame.difference`.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `group_report`, or all samples are in one group.

    Example:
        >>> demographic_parity_difference([1, 1, 0, 1], ["a", "a", "b", "b"])
        0.5
    """
    return _difference(_selection(y_pred, groups, weights))


def demographic_parity_ratio(y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Compute the smallest ratio of selection rates between groups.

    .. math:: \min_a P(\hat y = 1 | a) / \max_a P(\hat y = 1 | a)

    Args:
        y_pred: Predicted labels (N,); see `group_report` for the accepted types.
        groups: Group of each sample, at least two groups.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 1 is parity, and the "four-fifths rule" requires 0.8. NaN where no sample is
        selected.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Example:
        >>> demographic_parity_ratio([1, 1, 0, 1], ["a", "a", "b", "b"])
        0.5
    """
    return _ratio(_selection(y_pred, groups, weights))


def equal_opportunity_difference(
    y_true: Any, y_pred: Any, groups: Any, *, weights: Any = None
) -> float:
    r"""Compute the largest difference of true positive rates between groups.

    The true positive rate of group a is P(prediction = 1 | label = 1, a).

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, at least two groups.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's `MetricFrame.difference`.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: A group has no positive label; its rate counts as 0, like in fairlearn.

    Example:
        >>> equal_opportunity_difference([1, 1, 1, 0], [1, 1, 0, 1], ["a", "a", "b", "b"])
        1.0

    Reference: Hardt et al., "Equality of Opportunity in Supervised Learning", NeurIPS 2016,
    definition 2.2.
    """
    return _difference(_odds(y_true, y_pred, groups, weights, (True,))[0])


def equal_opportunity_ratio(y_true: Any, y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Compute the smallest ratio of true positive rates between groups.

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, at least two groups.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 1 is parity. NaN where every rate is 0.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: As `equal_opportunity_difference`.

    Example:
        >>> equal_opportunity_ratio([1, 1, 1, 1], [1, 1, 0, 1], ["a", "a", "b", "b"])
        0.5
    """
    return _ratio(_odds(y_true, y_pred, groups, weights, (True,))[0])


def equalized_odds_difference(
    y_true: Any, y_pred: Any, groups: Any, *, weights: Any = None
) -> float:
    r"""Compute the larger of the differences of true positive and of false positive rates.

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, at least two groups.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's function of this name with its defaults.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: A group lacks one of the labels; that rate counts as 0, like in
            fairlearn.

    Example:
        >>> equalized_odds_difference(
        ...     [1, 0, 0, 1, 0, 0], [1, 0, 0, 1, 1, 0], ["a", "a", "a", "b", "b", "b"]
        ... )
        0.5

    Reference: Hardt et al., "Equality of Opportunity in Supervised Learning", NeurIPS 2016,
    definition 2.1.
    """
    return max(_difference(rate) for rate in _odds(y_true, y_pred, groups, weights, (True, False)))


def equalized_odds_ratio(y_true: Any, y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Compute the smaller of the ratios of true positive and of false positive rates.

    Args:
        y_true: Labels (N,); see `group_report` for the accepted types.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, at least two groups.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 1 is parity. NaN without a true positive; the ratio of the true positive rates
        without a false positive. Equal to fairlearn's function of this name with its defaults.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: As `equalized_odds_difference`.

    Example:
        >>> equalized_odds_ratio([1, 0, 1, 0, 0], [1, 1, 1, 1, 0], ["a", "a", "b", "b", "b"])
        0.5
    """
    true, false = (_ratio(rate) for rate in _odds(y_true, y_pred, groups, weights, (True, False)))
    return true if np.isnan(true) or np.isnan(false) else min(true, false)


def mean_difference(prediction: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Compute the largest difference of mean predictions between groups.

    .. math:: \max_a E[\hat y | a] - \min_a E[\hat y | a]

    This is the demographic-parity difference of a regressor, or of the probabilities of a
    classifier. It does not detect groups of equal means and unequal spread.

    Args:
        prediction: Numbers (N,).
        groups: Group of each sample, at least two groups; see `group_report`.
        weights: Weight of each sample (N,).

    Returns:
        0 or more, in the units of the prediction.

    Raises:
        TypeError: Predictions that are not numbers, or groups that cannot be hashed.
        ValueError: As `demographic_parity_difference`, or a value that is not finite.

    Example:
        >>> mean_difference([1.0, 3.0, 5.0, 7.0], [0, 0, 1, 1])
        4.0
    """
    value = _groups.numbers("prediction", prediction)
    return _difference(
        _groups.GroupedSamples(groups, weights, len(value), compare=True).mean(value)
    )


@checked
def quantile_difference(
    prediction: Any, attribute: Any, *, bins: Count = 10, weights: Any = None
) -> float:
    r"""Compute the largest difference of mean predictions between bins of an attribute.

    The groups of `mean_difference` are the bins (q_k, q_{k+1}] between the k / bins quantiles of
    a continuous attribute (the first bin is closed). Equal values share a bin, and bins that ties
    leave empty are left out. For predicted labels it is the demographic-parity difference over
    these bins.

    Args:
        prediction: Numbers (N,).
        attribute: Values of the attribute (N,), such as ages.
        bins: Number of bins, at least 2. With few samples the bins differ by chance: each mean is
            over about N / bins samples.
        weights: Weight of each sample (N,); the quantiles are unweighted.

    Returns:
        0 or more, in the units of the prediction.

    Raises:
        TypeError: Not numbers.
        ValueError: Wrong shapes, a value that is not finite, or an attribute that fills only one
            bin.

    Example:
        >>> quantile_difference([0, 0, 1, 1, 1, 1], [18, 20, 30, 40, 50, 60], bins=3)
        1.0
    """
    value = _groups.numbers("prediction", prediction)
    position = _groups.numbers("attribute", attribute, len(value))
    check_count("bins", bins, low=2)
    edges = np.unique(np.quantile(position, np.arange(1, bins) / bins))
    bin_of = np.searchsorted(edges, position)
    if (bin_of == bin_of[0]).all():
        raise ValueError(
            f"attribute: expected values in at least two of {bins} quantile bins, got one bin"
        )
    return _difference(
        _groups.GroupedSamples(bin_of, weights, len(value), compare=True).mean(value)
    )


def _selection(y_pred: Any, groups: Any, weights: Any) -> np.ndarray:
    predicted = _groups.positives("y_pred", y_pred)
    return _groups.GroupedSamples(groups, weights, len(predicted), compare=True).mean(predicted)


def _odds(
    y_true: Any, y_pred: Any, groups: Any, weights: Any, labels: tuple[bool, ...]
) -> list[np.ndarray]:
    """Compute rates of positive predictions by group, for samples of each of `labels`."""
    label = _groups.positives("y_true", y_true)
    predicted = _groups.positives("y_pred", y_pred, len(label))
    table = _groups.GroupedSamples(groups, weights, len(label), compare=True)
    rates = [table.mean(predicted, label == value) for value in labels]
    for value, rate in zip(labels, rates, strict=True):
        for index in np.flatnonzero(np.isnan(rate)):
            kind, which = ("positive", "true") if value else ("negative", "false")
            warnings.warn(
                f"groups: {table.groups.labels[index]!r} has no {kind} label; its {which} positive "
                "rate counts as 0",
                RuntimeWarning,
                stacklevel=3,
            )
    return [np.nan_to_num(rate, nan=0.0) for rate in rates]


def _difference(values: np.ndarray) -> float:
    return float(values.max() - values.min())


def _ratio(values: np.ndarray) -> float:
    return float(values.min() / values.max()) if values.max() > 0 else float("nan")
