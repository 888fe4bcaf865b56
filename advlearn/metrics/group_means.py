"""Differences of mean predictions between groups, or between bins of a number."""

from typing import Any

import numpy as np

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_count
from advlearn.metrics import grouped


def mean_difference(
    y_true: Any, y_pred: Any, *, sensitive_features: Any, sample_weight: Any = None
) -> float:
    r"""Compute the largest difference of mean predictions between groups.

    .. math:: \max_a E[\hat y | a] - \min_a E[\hat y | a]

    This is the demographic-parity difference of a regressor, or of the probabilities of a
    classifier. It does not detect groups of equal means and unequal spread.

    Args:
        y_true: Targets (N,); not used, so that scikit-learn can call every measure alike.
        y_pred: Predicted numbers (N,).
        sensitive_features: Group of each sample, at least two groups; see `group_report`.
        sample_weight: Weight of each sample (N,).

    Returns:
        0 or more, in the units of the prediction.

    Raises:
        TypeError: Predictions that are not numbers, or groups that cannot be hashed.
        ValueError: As `demographic_parity_difference`, or a value that is not finite.

    Example:
        >>> y_pred = [1.0, 3.0, 5.0, 7.0]
        >>> mean_difference(y_pred, y_pred, sensitive_features=[0, 0, 1, 1])
        4.0
    """
    value = grouped.numbers("y_pred", y_pred)
    table = grouped.GroupedSamples(sensitive_features, sample_weight, len(value), compare=True)
    return grouped.difference(table.mean(value))


@checked
def quantile_difference(
    y_true: Any,
    y_pred: Any,
    *,
    sensitive_features: Any,
    sample_weight: Any = None,
    bins: Count = 10,
) -> float:
    r"""Compute the largest difference of mean predictions between bins of an attribute.

    The groups of `mean_difference` are the bins (q_k, q_{k+1}] between the k / bins quantiles of
    a continuous attribute (the first bin is closed). Equal values share a bin, and bins that ties
    leave empty are left out. For predicted labels it is the demographic-parity difference over
    these bins.

    Args:
        y_true: Targets (N,); not used, so that scikit-learn can call every measure alike.
        y_pred: Predicted numbers (N,).
        sensitive_features: Values of the attribute (N,), such as ages.
        sample_weight: Weight of each sample (N,); the quantiles are unweighted.
        bins: Number of bins, at least 2. With few samples the bins differ by chance: each mean is
            over about N / bins samples.

    Returns:
        0 or more, in the units of the prediction.

    Raises:
        TypeError: Not numbers.
        ValueError: Wrong shapes, a value that is not finite, or an attribute that fills only one
            bin.

    Example:
        >>> decided, age = [0, 0, 1, 1, 1, 1], [18, 20, 30, 40, 50, 60]
        >>> quantile_difference(decided, decided, sensitive_features=age, bins=3)
        1.0
    """
    value = grouped.numbers("y_pred", y_pred)
    position = grouped.numbers("sensitive_features", sensitive_features, len(value))
    check_count("bins", bins, low=2)
    edges = np.unique(np.quantile(position, np.arange(1, bins) / bins))
    bin_of = np.searchsorted(edges, position)
    if (bin_of == bin_of[0]).all():
        raise ValueError(
            f"sensitive_features: expected values in at least two of {bins} quantile bins, got one "
            "bin"
        )
    table = grouped.GroupedSamples(bin_of, sample_weight, len(value), compare=True)
    return grouped.difference(table.mean(value))
