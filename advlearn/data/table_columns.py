"""Read named columns from a table of any kind: mapping, data frame, structured or plain array.

A data frame is anything with names of columns and one column by its name: pandas, polars, pyarrow,
and what narwhals wraps. None of them is imported.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from advlearn.core.array_checks import check_dense


def named_columns(value: Any, name: str) -> dict[str, Any] | None:
    """Return the columns of a table that names them.

    Args:
        value: A mapping, a data frame, a structured array, or anything else.
        name: Name of the argument, for error messages.

    Returns:
        The columns by name; None for a value without named columns.

    Raises:
        ValueError: Two columns have the same name.

    Example:
        >>> named_columns({"sex": ["f", "m"]}, "sensitive_features")
        {'sex': ['f', 'm']}
    """
    if isinstance(value, Mapping):
        return {str(key): part for key, part in value.items()}
    fields = getattr(getattr(value, "dtype", None), "names", None)
    if fields:
        return {str(field): value[field] for field in fields}
    listed = getattr(value, "column_names", None)
    keys = list(getattr(value, "columns", ()) if listed is None else listed)
    if not keys or isinstance(value, np.ndarray | Tensor):
        return None
    names = [str(key) for key in keys]
    repeated = sorted({key for key in names if names.count(key) > 1})
    if repeated:
        raise ValueError(
            f"{name}: expected a different name for each column, got {repeated[0]!r} "
            f"{names.count(repeated[0])} times; rename the columns"
        )
    return {key: value[column] for key, column in zip(names, keys, strict=True)}


def to_array(value: Any, name: str = "column") -> np.ndarray:
    """Convert a tensor, array, list or column of a data frame to an array.

    A list of labels keeps their types. Objects that are all numbers become numbers, so that the
    nullable columns of a data frame read like those of numpy.

    Args:
        value: The values.
        name: Name of the argument, for error messages.

    Raises:
        ValueError: Rows of several lengths, or a tensor without dense values.

    Example:
        >>> to_array([1, "1"]).tolist(), to_array(np.array([1, 2], dtype=object)).dtype.kind
        ([1, '1'], 'i')
    """
    if isinstance(value, Tensor):
        check_dense(name, value)
        return value.detach().cpu().numpy()
    if isinstance(value, np.ma.MaskedArray):
        objects = np.array(value.data, dtype=object)
        objects[np.ma.getmaskarray(value)] = None
        return objects
    array = _of_list(value) if isinstance(value, list | tuple) else np.asarray(value)
    if array.dtype.kind != "O" or array.ndim != 1:
        return array
    items = array.tolist()
    nested = next((i for i in items if isinstance(i, list | tuple | np.ndarray)), None)
    if nested is not None:
        raise ValueError(
            f"{name}: expected one value per sample, or rows of one length, got rows such as "
            f"{str(nested)[:40]}"
        )
    # Labels of one type, such as 1 and 2 but not 1 and True, and without a missing value.
    if (
        items
        and len({type(item) for item in items}) == 1
        and isinstance(items[0], int | float | complex)
    ):
        return np.asarray(items)
    return array


def missing(array: np.ndarray) -> np.ndarray:
    """Return whether each value is None, NaN, NaT or another null: booleans (N,).

    Example:
        >>> missing(np.array(["a", None], dtype=object)).tolist()
        [False, True]
    """
    if array.dtype.kind == "O":
        return np.array([item is None or _unequal_to_itself(item) for item in array], dtype=bool)
    if array.dtype.kind in "fcmM":
        return array != array
    return np.zeros(len(array), dtype=bool)


def check_complete(name: str, values: Any) -> None:
    """Raise unless labels have all their values.

    Args:
        name: Name of the argument, for error messages.
        values: Labels in any form, (N,); others, and None, are not looked at.

    Raises:
        ValueError: A value is masked, or is missing in a list or a column of objects.

    Example:
        >>> check_complete("y", ["a", float("nan")])
        Traceback (most recent call last):
        ValueError: y: expected a label of each sample, got nan in sample 1; drop such samples
    """
    array = np.zeros(0) if values is None else to_array(values, name)
    if array.dtype.kind != "O" or array.ndim != 1:
        return
    rows = np.flatnonzero(missing(array))
    if rows.size:
        raise ValueError(
            f"{name}: expected a label of each sample, got {array[rows[0]]} in sample {rows[0]}; "
            "drop such samples"
        )


def _of_list(value: list[Any] | tuple[Any, ...]) -> np.ndarray:
    rows = [row.tolist() if isinstance(row, Tensor | np.ndarray) else row for row in value]
    widths = {len(row) if isinstance(row, list | tuple) else 0 for row in rows}
    # np.asarray would turn 1 and "1" of one list into the same label.
    shape = (len(rows),) if widths <= {0} or len(widths) > 1 else (len(rows), *widths)
    array = np.empty(shape, dtype=object)
    for index, row in enumerate(rows):
        array[index] = row
    return array


def _unequal_to_itself(label: Any) -> bool:
    # pandas.NA != pandas.NA is pandas.NA, which has no truth value.
    try:
        return bool(label != label)
    except (TypeError, ValueError):
        return True
