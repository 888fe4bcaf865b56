"""Reading predictions, sensitive attributes and weights of any usual form into numpy arrays."""

from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor


class Groups(NamedTuple):
    """The group of each sample, int64 (N,), as an index into the labels of the groups that occur."""

    codes: np.ndarray
    labels: list[Hashable]


def column(name: str, value: Any, samples: int | None = None) -> np.ndarray:
    """Turn a tensor, array, list or pandas column (N,) or (N, 1) into an array (N,).

    Raises:
        ValueError: Another shape, no samples, or another length than `samples`.
    """
    array = _array(value)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    wanted = "(N,)" if samples is None else f"({samples},)"
    if array.ndim != 1 or array.size == 0 or samples not in (None, len(array)):
        raise ValueError(f"{name}: expected shape {wanted}, one value a sample, got {array.shape}")
    return array


def numbers(name: str, value: Any, samples: int | None = None) -> np.ndarray:
    """Read a column of finite numbers as float64.

    Raises:
        TypeError: Not numbers.
        ValueError: A wrong shape, or a value that is not finite.
    """
    array = column(name, value, samples)
    if array.dtype.kind == "O":  # how pandas hands out its own number types
        array = np.asarray(array.tolist())
    if array.dtype.kind not in "biuf":
        odd = next(
            (value for value in array.tolist() if not isinstance(value, (int, float))), array[0]
        )
        raise TypeError(f"{name}: expected numbers, got {odd!r}")
    array = array.astype(np.float64)
    odd = np.flatnonzero(~np.isfinite(array))
    if odd.size:
        raise ValueError(f"{name}: expected finite values, got {array[odd[0]]} in sample {odd[0]}")
    return array


def positives(name: str, value: Any, samples: int | None = None) -> np.ndarray:
    """Read binary labels, 0 and 1 (or -1 and 1, or False and True), as whether each is 1.

    Raises:
        TypeError: Not numbers.
        ValueError: A wrong shape, or a value that is no such label.
    """
    array = numbers(name, value, samples)
    negative = -1.0 if (array == -1.0).any() else 0.0
    odd = array[(array != 1.0) & (array != negative)]
    if odd.size:
        raise ValueError(
            f"{name}: expected labels 0 and 1 (or -1 and 1), got {odd[0]:g}; threshold scores first"
        )
    return array == 1.0


def weights(value: Any, samples: int) -> np.ndarray:
    """Read sample weights, None for equal ones.

    Raises:
        TypeError: Not numbers.
        ValueError: A wrong shape, or a negative weight.
    """
    if value is None:
        return np.ones(samples)
    array = numbers("weights", value, samples)
    if (array < 0).any():
        raise ValueError(
            f"weights: expected none below 0, got {array.min():g} in sample {array.argmin()}"
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
    # Of the combinations only those that occur are groups: an empty one has no rate.
    codes, inverse = np.unique(
        np.stack([part.codes for part in parts], axis=1), axis=0, return_inverse=True
    )
    labels = [
        tuple(part.labels[code] for part, code in zip(parts, row, strict=True)) for row in codes
    ]
    return Groups(inverse.reshape(-1), list(labels))


def _array(value: Any) -> np.ndarray:
    if isinstance(value, Tensor):
        return value.detach().cpu().numpy()
    if not isinstance(value, (list, tuple)):
        return np.asarray(value)
    rows = [row.tolist() if isinstance(row, (Tensor, np.ndarray)) else row for row in value]
    widths = {len(row) if isinstance(row, (list, tuple)) else 0 for row in rows}
    # Not np.asarray, which would turn 1 and "1" of one list into the same label.
    shape = (len(rows),) if widths <= {0} or len(widths) > 1 else (len(rows), *widths)
    array = np.empty(shape, dtype=object)
    for index, row in enumerate(rows):
        array[index] = row
    return array


def _columns(value: Any) -> dict[str, Any]:
    """Name each column as an error message would."""
    if isinstance(value, Mapping):
        return {f"groups[{key!r}]": part for key, part in value.items()}
    if hasattr(value, "columns"):  # a data frame, whose columns have types of their own
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
            f"{name}: expected a group for each sample, got {array[missing[0]]} in sample {missing[0]}"
        )
    if array.dtype.kind != "O":
        labels, codes = np.unique(array, return_inverse=True)
        return Groups(codes, labels.tolist())
    try:
        found = dict.fromkeys(array.tolist())
    except TypeError as error:
        raise TypeError(f"{name}: expected labels that can be hashed ({error})") from error
    try:
        ordered = sorted(found)
    except TypeError:  # labels of several types have no order but that of their first sample
        ordered = list(found)
    index = {label: code for code, label in enumerate(ordered)}
    return Groups(
        np.array([index[label] for label in array.tolist()], dtype=np.int64), list(ordered)
    )


def _unequal_to_itself(label: Any) -> bool:
    # NaN and NaT; pandas.NA answers with itself, which has no truth value.
    try:
        return bool(label != label)
    except (TypeError, ValueError):
        return True
