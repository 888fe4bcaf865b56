"""Rates of a classifier in each group, and any measure in each group, as a table."""

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np

from advlearn.core.arguments import checked
from advlearn.metrics import grouped


class GroupReport(NamedTuple):
    """Hold the rates of a binary classifier in one group.

    Attributes:
        samples: Number of samples.
        selection_rate: P(prediction = 1).
        true_positive_rate: P(prediction = 1 | label = 1); NaN where no label is 1.
        false_positive_rate: P(prediction = 1 | label = 0); NaN where no label is 0.
        accuracy: P(prediction = label).
        positives: Number of samples with label 1.
        false_negative_rate: P(prediction = 0 | label = 1); NaN where no label is 1.
        precision: P(label = 1 | prediction = 1); NaN where no prediction is 1.
    """

    samples: int
    selection_rate: float
    true_positive_rate: float
    false_positive_rate: float
    accuracy: float
    positives: int = 0
    false_negative_rate: float = float("nan")
    precision: float = float("nan")


class GroupMetrics(NamedTuple):
    """Hold measures of all samples and of each group.

    Attributes:
        overall: Value of each measure for all samples, by name.
        by_group: Values of each group, by the group's label: by name of the measure.
        samples: Number of samples of each group.
    """

    overall: dict[str, float]
    by_group: dict[Hashable, dict[str, float]]
    samples: dict[Hashable, int]

    def difference(self) -> dict[str, float]:
        """Return the largest difference between groups of each measure."""
        return {name: max(values) - min(values) for name, values in self._values().items()}

    def ratio(self) -> dict[str, float]:
        """Return the smallest ratio between groups of each measure; NaN where all are 0."""
        return {
            name: min(values) / max(values) if max(values) else float("nan")
            for name, values in self._values().items()
        }

    def to_pandas(self) -> Any:
        """Return a data frame: one row for each group, one column for each measure."""
        import pandas

        frame = pandas.DataFrame(list(self.by_group.values()))
        frame.insert(0, "samples", list(self.samples.values()))
        frame.index = pandas.Index(list(self.by_group), name="group", tupleize_cols=False)
        return frame

    def __str__(self) -> str:
        names = list(self.overall)
        rows = [["group", "samples", *names]]
        rows += [
            [str(group), str(self.samples[group]), *(f"{values[n]:.4g}" for n in names)]
            for group, values in self.by_group.items()
        ]
        total = sum(self.samples.values())
        rows.append(["all", str(total), *(f"{self.overall[n]:.4g}" for n in names)])
        widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in rows
        )

    def _values(self) -> dict[str, list[float]]:
        return {name: [row[name] for row in self.by_group.values()] for name in self.overall}


def group_report(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    pos_label: Any = None,
) -> dict[Hashable, GroupReport]:
    """Compute the rates of a binary classifier in each group.

    Args:
        y_true: Labels (N,): 0 and 1, -1 and 1, or False and True; 1 is the positive class.
        y_pred: Predicted labels (N,) in the same form.
        sensitive_features: Group of each sample, any hashable labels (N,); several attributes as
            (N, k), a data frame or a mapping of columns, whose combinations, as tuples, are the
            groups.
        sample_weight: Weight of each sample (N,), not negative; None for equal weights.
        pos_label: The positive class, for labels other than 0 and 1.

    Returns:
        A report for each group that occurs, in the order of the labels.

    Raises:
        TypeError: Labels that are not numbers, or groups that cannot be hashed.
        ValueError: Wrong shapes, scores instead of labels, a sample without a group, or a group of
            weight 0.

    Example:
        >>> sex = ["a", "a", "b", "b"]
        >>> report = group_report([1, 0, 1, 1], [1, 1, 0, 1], sensitive_features=sex)
        >>> report["b"].selection_rate, report["b"].true_positive_rate, report["b"].accuracy
        (0.5, 0.5, 0.5)
    """
    label = grouped.positives("y_true", y_true, pos_label=pos_label)
    predicted = grouped.positives("y_pred", y_pred, len(label), pos_label=pos_label)
    table = grouped.GroupedSamples(sensitive_features, sample_weight, len(label))
    counts = np.bincount(table.groups.codes)
    positives = np.bincount(table.groups.codes, weights=label).astype(int)
    columns = (
        counts,
        table.mean(predicted),
        table.mean(predicted, label),
        table.mean(predicted, ~label),
        table.mean(predicted == label),
        positives,
        table.mean(~predicted, label),
        table.mean(label, predicted),
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {group: GroupReport(*row) for group, row in zip(table.groups.labels, rows, strict=True)}


@checked
def group_metrics(
    metrics: Mapping[str, Callable[..., float]] | Callable[..., float],
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
) -> GroupMetrics:
    """Compute any measures in each group, such as those of `sklearn.metrics`.

    Args:
        metrics: Functions `f(y_true, y_pred)` by name, or one function; with weights they are also
            given `sample_weight`.
        y_true: Labels or numbers (N,).
        y_pred: Predictions (N,), or scores (N, ...) for measures of scores.
        sensitive_features: Group of each sample; see `group_report`.
        sample_weight: Weight of each sample (N,).

    Returns:
        The values for all samples and for each group, with their differences and ratios.

    Raises:
        ValueError: Wrong shapes, or a sample without a group.

    Example:
        >>> from sklearn.metrics import accuracy_score
        >>> sex = ["a", "a", "b", "b"]
        >>> table = group_metrics(
        ...     accuracy_score, [1, 0, 1, 1], [1, 1, 1, 1], sensitive_features=sex
        ... )
        >>> table.overall, table.difference()
        ({'accuracy_score': 0.75}, {'accuracy_score': 0.5})
    """
    named = metrics if isinstance(metrics, Mapping) else {metrics.__name__: metrics}
    truth = grouped.column("y_true", y_true)
    predicted = grouped.scores("y_pred", y_pred, len(truth))
    table = grouped.GroupedSamples(sensitive_features, sample_weight, len(truth))

    def values(rows: np.ndarray) -> dict[str, float]:
        weight = {} if sample_weight is None else {"sample_weight": table.weights[rows]}
        return {n: float(f(truth[rows], predicted[rows], **weight)) for n, f in named.items()}

    codes, labels = table.groups.codes, table.groups.labels
    return GroupMetrics(
        values(np.arange(len(truth))),
        {label: values(np.flatnonzero(codes == k)) for k, label in enumerate(labels)},
        dict(zip(labels, np.bincount(codes).tolist(), strict=True)),
    )
