"""Convert predictions, sensitive attributes and weights to numpy arrays."""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple, final

import numpy as np
from torch import Tensor

from advlearn.core.checks import check_array


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
    array = _array(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    shape = "(N,)" if samples is None else f"({samples},)"
    if array.ndim != 1 or array.size == 0 or samples not in (None, len(array)):
        raise ValueError(f"{name}: expected shape {shape}, one value per sample, got {array.shape}")
    return array


def numbers(name: str, value: Any, samples: int | None = None) -> np.ndarray:
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
        raise TypeError(f"{name}: expected numbers, got {next(others, array[0])!r}")
    array = array.astype(np.float64)
    rows = np.flatnonzero(~np.isfinite(array))
    if rows.size:
        row = rows[0]
        raise ValueError(f"{name}: expected finite values, got {array[row]} in sample {row}")
    return array


def positives(name: str, value: Any, samples: int | None = None) -> np.ndarray:
    """Read binary labels (0 and 1, -1 and 1, or False and True) as booleans.

    Raises:
        TypeError: Not numbers.
        ValueError: A wrong shape, or another label.
    """
    array = numbers(name, value, samples)
    negative = -1.0 if (array == -1.0).any() else 0.0
    others = array[(array != 1.0) & (array != negative)]
    if others.size:
        raise ValueError(
            f"{name}: expected labels 0 and 1 (or -1 and 1), got {others[0]:g}; threshold "
            "scores first"
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
    array = numbers("weights", value, samples)
    if (array < 0).any():
        raise ValueError(
            f"weights: expected weights of at least 0, got {array.min():g} in sample "
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
        raise ValueError("groups: expected at least one column, got none")
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
            raise ValueError(f"groups: expected at least two groups, got {label!r} in every sample")
        for label, total in zip(self.groups.labels, self._sum(np.ones(samples)), strict=True):
            if total == 0:
                raise ValueError(
                    f"weights: expected a positive one in each group, got only 0 in group {label!r}"
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


def _array(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if not isinstance(value, (list, tuple)):
        return np.asarray(value)
    rows = [row.tolist() if isinstance(row, (Tensor, np.ndarray)) else row for row in value]
    widths = {len(row) if isinstance(row, (list, tuple)) else 0 for row in rows}
    # np.asarray would turn 1 and "1" of one list into the same label.
    shape = (len(rows),) if widths <= {0} or len(widths) > 1 else (len(rows), *widths)
    array = np.empty(shape, dtype=object)
    for index, row in enumerate(rows):
        array[index] = row
    return array


def _columns(value: Any) -> dict[str, Any]:
    """Name each column for error messages."""
    if isinstance(value, Mapping):
        return {f"groups[{key!r}]": part for key, part in value.items()}
    if hasattr(value, "columns"):  # a data frame, whose columns have different types
        return {f"groups[{key!r}]": value[key] for key in value.columns}
    array = _array(value)
    if array.ndim != 2 or array.shape[1] == 1:
        return {"groups": array}
    return {f"groups[:, {index}]": array[:, index] for index in range(array.shape[1])}


def _factorise(name: str, array: np.ndarray) -> Groups:
    missing = [
        index
        for index, label in enumerate(array.tolist())
        if label is None or _unequal_to_itself(label)
    ]
    if missing:
        raise ValueError(
            f"{name}: expected a group for each sample, got {array[missing[0]]} in sample "
            f"{missing[0]}"
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


def _unequal_to_itself(label: Any) -> bool:
    # NaN and NaT; pandas.NA != pandas.NA is pandas.NA, which has no truth value.
    try:
        return bool(label != label)
    except (TypeError, ValueError):
        return True
