"""Read a pandas DataFrame of numbers as vectors, with a column or a list of labels."""

from typing import Any

import numpy as np

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.options import ReadOptions
from advlearn.data.user_data import from_tensors


def is_frame(data: Any) -> bool:
    """Return whether data is a data frame."""
    return hasattr(data, "columns") and hasattr(data, "iloc") and hasattr(data, "to_numpy")


def from_frame(frame: Any, labels: Any, options: ReadOptions) -> ArrayDataset:
    """Read a data frame whose columns are numbers or booleans.

    Args:
        frame: The data frame, one row per sample.
        labels: Name of a column, a column of labels, or None.
        options: Options of reading.

    Raises:
        TypeError: A column that does not hold numbers; the message names it.
        ValueError: An unknown column, or a missing value; the message names the column.

    Example:
        >>> import pandas as pd
        >>> frame = pd.DataFrame({"width": [1.0, 2.0], "kind": ["a", "b"]})
        >>> from_frame(frame, "kind", ReadOptions()).class_names
        ('a', 'b')
    """
    if isinstance(labels, str):
        if labels not in frame.columns:
            columns = ", ".join(map(str, frame.columns))
            raise ValueError(f"labels: expected a column among {columns}, got {labels!r}")
        frame, labels = frame.drop(columns=[labels]), frame[labels]
    for name in frame.columns:
        column = frame[name]
        if getattr(column.dtype, "kind", "O") not in "fiub":
            raise TypeError(
                f"data: expected columns of numbers, got {column.dtype} in column {name!r}; encode "
                "it, or name it as labels"
            )
        if bool(column.isna().any()):
            row = int(np.flatnonzero(column.isna().to_numpy())[0])
            raise ValueError(
                f"data: expected a number in every row, got a missing value in column {name!r}, "
                f"row {row}; fill or drop it"
            )
    values = frame.to_numpy(dtype=np.float32)
    return from_tensors(values, labels, "frame", options)
