"""Fairness of predictions: how far rates and means differ between the groups of a sensitive attribute.

Labels, predictions, groups and weights may be tensors, arrays, lists or pandas columns. Results are
Python floats. Groups that do not occur are left out; with several attributes their combinations are
the groups.
"""

import warnings
from collections.abc import Hashable
from typing import Any, NamedTuple, final

import numpy as np

from advlearn.core.checks import check_count
from advlearn.metrics import _groups


class GroupReport(NamedTuple):
    """Rates of a binary classifier in one group.

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
    """Rates of a binary classifier by group.

    Args:
        y_true: Labels (N,): 0 and 1, -1 and 1, or False and True; 1 is the positive class.
        y_pred: Predicted labels (N,) in the same form.
        groups: Group of each sample, any hashable labels (N,); several attributes as (N, k), a data
            frame or a mapping of columns, whose combinations, as tuples, are the groups.
        weights: Weight of each sample (N,), not negative; None weighs all the same.

    Returns:
        A report for each group that occurs, in the order of the labels.

    Raises:
        TypeError: Labels that are no numbers, or groups that cannot be hashed.
        ValueError: Wrong shapes, scores in place of labels, a sample without a group, or a group of
        weight 0.

    Example:
        >>> report = group_report([1, 0, 1, 1], [1, 1, 0, 1], ["a", "a", "b", "b"])
        >>> report["b"]
        GroupReport(samples=2, selection_rate=0.5, true_positive_rate=0.5, false_positive_rate=nan, accuracy=0.5)
    """
    label = _groups.positives("y_true", y_true)
    guess = _groups.positives("y_pred", y_pred, len(label))
    table = _Table(groups, weights, len(label))
    rates = (
        table.mean(guess),
        table.mean(guess, label),
        table.mean(guess, ~label),
        table.mean(guess == label),
    )
    counts = np.bincount(table.groups.codes).tolist()
    rows = zip(counts, *(rate.tolist() for rate in rates), strict=True)
    return {group: GroupReport(*row) for group, row in zip(table.groups.labels, rows, strict=True)}


def demographic_parity_difference(y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Largest difference of selection rates, max_a P(prediction = 1 | a) - min_a P(prediction = 1 | a).

    Args:
        y_pred: Predicted labels (N,); see `group_report` for the forms of this and the next two.
        groups: Group of each sample, two groups at least.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's `MetricFrame.difference`.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `group_report`, and where all samples are of one group.

    Example:
        >>> demographic_parity_difference([1, 1, 0, 1], ["a", "a", "b", "b"])
        0.5
    """
    return _difference(_selection(y_pred, groups, weights))


def demographic_parity_ratio(y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Smallest ratio of selection rates, min_a P(prediction = 1 | a) / max_a P(prediction = 1 | a).

    Args:
        y_pred: Predicted labels (N,); see `group_report` for the forms of this and the next two.
        groups: Group of each sample, two groups at least.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 1 is parity, and the "four-fifths rule" asks for 0.8. NaN where nobody is
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
    r"""Largest difference of true positive rates, P(prediction = 1 | label = 1, a), between two groups a.

    Args:
        y_true: Labels (N,); see `group_report` for the forms of this and the next three.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, two groups at least.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's `MetricFrame.difference`.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: A group has no positive label; its rate is then taken as 0, as fairlearn
        does.

    Example:
        >>> equal_opportunity_difference([1, 1, 1, 0], [1, 1, 0, 1], ["a", "a", "b", "b"])
        1.0

    Reference: Hardt et al., "Equality of Opportunity in Supervised Learning", NeurIPS 2016,
    definition 2.2.
    """
    return _difference(_odds(y_true, y_pred, groups, weights, (True,))[0])


def equal_opportunity_ratio(y_true: Any, y_pred: Any, groups: Any, *, weights: Any = None) -> float:
    r"""Smallest ratio of true positive rates, P(prediction = 1 | label = 1, a), of two groups a.

    Args:
        y_true: Labels (N,); see `group_report` for the forms of this and the next three.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, two groups at least.
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
    r"""The larger of the differences between groups of true positive and of false positive rates.

    Args:
        y_true: Labels (N,); see `group_report` for the forms of this and the next three.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, two groups at least.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 0 is parity. Equal to fairlearn's function of this name with its defaults.

    Raises:
        TypeError: As `group_report`.
        ValueError: As `demographic_parity_difference`.

    Warns:
        RuntimeWarning: A group lacks one of the labels; that rate is then taken as 0, as fairlearn
        does.

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
    r"""The smaller of the ratios between groups of true positive and of false positive rates.

    Args:
        y_true: Labels (N,); see `group_report` for the forms of this and the next three.
        y_pred: Predicted labels (N,).
        groups: Group of each sample, two groups at least.
        weights: Weight of each sample (N,).

    Returns:
        In [0, 1]; 1 is parity. Without a true positive NaN; without a false positive the ratio of
        the true positive rates alone. Equal to fairlearn's function of this name with its defaults.

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
    r"""Largest difference of mean predictions, max_a E[prediction | a] - min_a E[prediction | a].

    For a regressor, or for the probabilities of a classifier, what the demographic-parity
    difference is for
    labels: it does not see groups of equal means and unequal spread.

    Args:
        prediction: Numbers (N,).
        groups: Group of each sample, two groups at least; see `group_report`.
        weights: Weight of each sample (N,).

    Returns:
        0 or more, in the units of the prediction.

    Raises:
        TypeError: Predictions that are no numbers, or groups that cannot be hashed.
        ValueError: As `demographic_parity_difference`, or a value that is not finite.

    Example:
        >>> mean_difference([1.0, 3.0, 5.0, 7.0], [0, 0, 1, 1])
        4.0
    """
    value = _groups.numbers("prediction", prediction)
    return _difference(_Table(groups, weights, len(value), compare=True).mean(value))


def quantile_difference(
    prediction: Any, attribute: Any, *, bins: int = 10, weights: Any = None
) -> float:
    r"""Largest difference of mean predictions between quantile bins of a continuous attribute.

    The groups of `mean_difference` are the bins (q_k, q_{k+1}] between the k / bins quantiles of
    the attribute (the first one closed), so equal values share a bin; bins that ties leave empty
    are left out. With predicted labels in place of numbers it is the demographic-parity difference
    over these bins.

    Args:
        prediction: Numbers (N,).
        attribute: Values of the attribute (N,), such as ages.
        bins: Number of bins, 2 at least. With few samples a bin differs by chance alone: about N /
            bins of them make one mean.
        weights: Weight of each sample (N,); the quantiles are those of the samples, unweighted.

    Returns:
        0 or more, in the units of the prediction.

    Raises:
        TypeError: Not numbers.
        ValueError: Wrong shapes, a value that is not finite, or an attribute that fills one bin
        alone.

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
            f"attribute: expected values in two of {bins} quantile bins at least, got one alone"
        )
    return _difference(_Table(bin_of, weights, len(value), compare=True).mean(value))


@final
class _Table:
    """Samples by group; `compare` asks for two groups at least."""

    def __init__(self, groups: Any, weights: Any, samples: int, *, compare: bool = False) -> None:
        self.groups = _groups.groups(groups, samples)
        self.weights = _groups.weights(weights, samples)
        if compare and len(self.groups.labels) < 2:
            raise ValueError(
                f"groups: expected two groups at least, got {self.groups.labels[0]!r} in every sample"
            )
        for label, total in zip(self.groups.labels, self._sum(np.ones(samples)), strict=True):
            if total == 0:
                raise ValueError(
                    f"weights: expected a positive one in each group, got only 0 in group {label!r}"
                )

    def _sum(self, value: np.ndarray) -> np.ndarray:
        return np.bincount(
            self.groups.codes, weights=self.weights * value, minlength=len(self.groups.labels)
        )

    def mean(self, value: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Mean of a value in each group, among some samples; NaN where there are none."""
        chosen = np.ones(len(value), dtype=bool) if among is None else among
        total, size = self._sum(value * chosen), self._sum(chosen)
        return np.divide(total, size, out=np.full_like(total, np.nan), where=size > 0)


def _selection(y_pred: Any, groups: Any, weights: Any) -> np.ndarray:
    guess = _groups.positives("y_pred", y_pred)
    return _Table(groups, weights, len(guess), compare=True).mean(guess)


def _odds(
    y_true: Any, y_pred: Any, groups: Any, weights: Any, labels: tuple[bool, ...]
) -> list[np.ndarray]:
    """Rates of positive predictions by group, among the samples of each of `labels`."""
    label = _groups.positives("y_true", y_true)
    guess = _groups.positives("y_pred", y_pred, len(label))
    table = _Table(groups, weights, len(label), compare=True)
    rates = [table.mean(guess, label == wanted) for wanted in labels]
    for wanted, rate in zip(labels, rates, strict=True):
        for index in np.flatnonzero(np.isnan(rate)):
            kind, which = ("positive", "true") if wanted else ("negative", "false")
            warnings.warn(
                f"groups: {table.groups.labels[index]!r} has no {kind} label; its {which} positive rate counts as 0",
                RuntimeWarning,
                stacklevel=3,
            )
    return [np.nan_to_num(rate, nan=0.0) for rate in rates]


def _difference(values: np.ndarray) -> float:
    return float(values.max() - values.min())


def _ratio(values: np.ndarray) -> float:
    return float(values.min() / values.max()) if values.max() > 0 else float("nan")
