"""Convert predictions, sensitive attributes and weights to numpy arrays."""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, final

import numpy as np

from advlearn.core.checks import check_array, shown
from advlearn.data.table_columns import missing, named_columns, to_array

FEATURES, WEIGHTS = "sensitive_features", "sample_weight"


class Groups(NamedTuple):
    """Hold the group of each sample, int64 (N,), as an index into the labels of the groups."""

    codes: np.ndarray
    labels: list[Hashable]


def column(name: str, value: Any, samples: int | None = None) -> np.ndarray:
    """Convert a tensor, array, list or pandas column (N,) or (N, 1) to an array (N,).

    Raises:
        ValueError: Another shape, no samples, or another length than `samples`.
    """
    check_array(name, value)
    array = to_array(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    shape = "(N,)" if samples is None else f"({samples},)"
    if array.ndim != 1 or array.size == 0 or samples not in (None, len(array)):
        raise ValueError(f"{name}: expected shape {shape}, one value per sample, got {array.shape}")
    return array


def scores(name: str, value: Any, samples: int | None = None) -> np.ndarray:
    """Convert values with one row per sample, (N, ...), to an array.

    Raises:
        ValueError: A single value, no samples, or another number of rows than `samples`.
    """
    check_array(name, value)
    array = to_array(value)
    shape = "(N, ...)" if samples is None else f"({samples}, ...)"
    if array.ndim == 0 or array.size == 0 or samples not in (None, len(array)):
        raise ValueError(f"{name}: expected shape {shape}, one row per sample, got {array.shape}")
    return array


def numbers(name: str, value: Any, samples: int | None = None, *, hint: str = "") -> np.ndarray:
    """Read a column of finite numbers as float64.

    Raises:
        TypeError: Not numbers.
        ValueError: A wrong shape, or a value that is not finite.
    """
    array = column(name, value, samples)
    if array.dtype.kind == "O":  # the number types of pandas
        array = np.asarray(array.tolist())
    if array.dtype.kind not in "biuf":
        others = (value for value in array.tolist() if not isinstance(value, (int, float)))
        raise TypeError(f"{name}: expected numbers, got {next(others, array[0])!r}{hint}")
    array = array.astype(np.float64)
    rows = np.flatnonzero(~np.isfinite(array))
    if rows.size:
        row = rows[0]
        raise ValueError(f"{name}: expected finite values, got {array[row]} in sample {row}")
    return array


def positives(
    name: str, value: Any, samples: int | None = None, *, pos_label: Any = None
) -> np.ndarray:
    """Read binary labels as booleans: 0 and 1, -1 and 1, False and True, or `pos_label` and others.

    Raises:
        TypeError: Not numbers, without `pos_label`.
        ValueError: A wrong shape, or another label.
    """
    if pos_label is not None:
        if np.ndim(pos_label) or isinstance(pos_label, Mapping):
            raise ValueError(
                f"pos_label: expected one label, got {shown(pos_label)}; pass the positive class"
            )
        array = column(name, value, samples)
        if missing(array).any():
            raise ValueError(f"{name}: expected a label for each sample, got a missing value")
        return np.array([label == pos_label for label in array.tolist()], dtype=bool)
    array = numbers(name, value, samples, hint="; pass pos_label= for other labels")
    negative = -1.0 if (array == -1.0).any() else 0.0
    others = array[(array != 1.0) & (array != negative)]
    if others.size:
        raise ValueError(
            f"{name}: expected labels 0 and 1 (or -1 and 1), got {others[0]:g}; threshold "
            "scores first, or pass pos_label="
        )
    return array == 1.0


def weights(value: Any, samples: int) -> np.ndarray:
    """Read sample weights; None means equal weights.

    Raises:
        TypeError: Not numbers.
        ValueError: A wrong shape, or a negative weight.
    """
    if value is None:
        return np.ones(samples)
    array = numbers(WEIGHTS, value, samples)
    if (array < 0).any():
        raise ValueError(
            f"{WEIGHTS}: expected weights of at least 0, got {array.min():g} in sample "
            f"{array.argmin()}"
        )
    return array


def groups(value: Any, samples: int) -> Groups:
    """Read one sensitive attribute, or several whose combinations are the groups.

    Raises:
        TypeError: A label that is not hashable.
        ValueError: A wrong shape or length, no column, or a sample without a group (NaN or None).
    """
    columns = _columns(value)
    if not columns:
        raise ValueError(f"{FEATURES}: expected at least one column, got none")
    parts = [_factorise(name, column(name, part, samples)) for name, part in columns.items()]
    if len(parts) == 1:
        return parts[0]
    # Only combinations that occur are groups, because an empty group has no rate.
    codes, inverse = np.unique(
        np.stack([part.codes for part in parts], axis=1), axis=0, return_inverse=True
    )
    labels = [
        tuple(part.labels[code] for part, code in zip(parts, row, strict=True)) for row in codes
    ]
    return Groups(inverse.reshape(-1), list(labels))


@final
class GroupedSamples:
    """Compute means of sample values in each group.

    Args:
        value: Group of each sample, see `groups`.
        sample_weights: Weight of each sample, see `weights`.
        samples: Number of samples.
        compare: Whether at least two groups are required.

    Raises:
        ValueError: A single group where two are required, or a group of weight 0.
    """

    def __init__(
        self, value: Any, sample_weights: Any, samples: int, *, compare: bool = False
    ) -> None:
        self.groups = groups(value, samples)
        self.weights = weights(sample_weights, samples)
        if compare and len(self.groups.labels) < 2:
            label = self.groups.labels[0]
            raise ValueError(
                f"{FEATURES}: expected at least two groups, got {label!r} in every sample"
            )
        for label, total in zip(self.groups.labels, self._sum(np.ones(samples)), strict=True):
            if total == 0:
                raise ValueError(
                    f"{WEIGHTS}: expected a positive one in each group, got only 0 in group "
                    f"{label!r}"
                )

    def mean(self, value: np.ndarray, among: np.ndarray | None = None) -> np.ndarray:
        """Return the mean of a value in each group, over some samples; NaN for no samples."""
        chosen = np.ones(len(value), dtype=bool) if among is None else among
        total, size = self._sum(value * chosen), self._sum(chosen)
        return np.divide(total, size, out=np.full_like(total, np.nan), where=size > 0)

    def _sum(self, value: np.ndarray) -> np.ndarray:
        return np.bincount(
            self.groups.codes, weights=self.weights * value, minlength=len(self.groups.labels)
        )


def _columns(value: Any) -> dict[str, Any]:
    """Name each column for error messages."""
    columns = named_columns(value, FEATURES)
    if columns is not None:
        return {f"{FEATURES}[{key!r}]": part for key, part in columns.items()}
    array = to_array(value)
    if array.ndim != 2 or array.shape[1] == 1:
        return {FEATURES: array}
    return {f"{FEATURES}[:, {index}]": array[:, index] for index in range(array.shape[1])}


def _factorise(name: str, array: np.ndarray) -> Groups:
    absent = np.flatnonzero(missing(array))
    if absent.size:
        raise ValueError(
            f"{name}: expected a group for each sample, got {array[absent[0]]} in sample "
            f"{absent[0]}"
        )
    if array.dtype.kind != "O":
        labels, codes = np.unique(array, return_inverse=True)
        return Groups(codes, labels.tolist())
    try:
        unique = dict.fromkeys(array.tolist())
    except TypeError as error:
        raise TypeError(f"{name}: expected hashable labels, got {error}") from error
    try:
        ordered = sorted(unique)
    except TypeError:  # labels of several types are ordered by their first sample
        ordered = list(unique)
    index = {label: code for code, label in enumerate(ordered)}
    return Groups(
        np.array([index[label] for label in array.tolist()], dtype=np.int64), list(ordered)
    )


def difference(values: np.ndarray) -> float:
    """Return the largest difference of values of groups."""
    return float(values.max() - values.min())


def ratio(values: np.ndarray) -> float:
    """Return the smallest ratio of values of groups; NaN where all are 0."""
    return float(values.min() / values.max()) if values.max() > 0 else float("nan")
