"""Take rows of sensitive features in any form, and split off a validation part."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from sklearn.model_selection import train_test_split

from advlearn.core.arguments import checked
from advlearn.core.checks import shown
from advlearn.core.trainer import Callback
from advlearn.data import attribute_columns
from advlearn.data.table_columns import named_columns, to_array


@final
@dataclass(frozen=True)
class Part:
    """Hold the rows to train on, and callbacks that evaluate the others."""

    X: np.ndarray
    y: np.ndarray
    sensitive: Any
    weights: np.ndarray | None
    callbacks: Sequence[Callback] = field(default=())


@final
@dataclass(frozen=True)
class HeldOut:
    """Hold a validation part for the score, all samples for the disparity, and its limit or None.

    A small group has too few samples in a validation part to measure a disparity on it.
    """

    X: np.ndarray
    y: np.ndarray
    weights: np.ndarray | None
    compared: tuple[np.ndarray, np.ndarray, Any]
    target: float | None


@checked
def as_rows(columns: Any) -> np.ndarray:
    """Return columns by name as one array with a row for each sample, (n,).

    scikit-learn cuts it into folds, which it does not do with a mapping.

    Args:
        columns: A mapping of columns (n,), or a data frame.

    Returns:
        A structured array, which `fit` and the measures of fairness take as sensitive features.

    Raises:
        ValueError: No columns by name, or columns of different lengths.

    Example:
        >>> as_rows({"sex": ["f", "m"], "age": [20, 30]})[:1]["age"].tolist()
        [20]
    """
    named = named_columns(columns, "columns")
    if not named:
        raise ValueError(
            f"columns: expected a mapping of columns or a data frame, got {shown(columns)}; pass "
            "one column or more by name"
        )
    arrays = {name: to_array(column) for name, column in named.items()}
    n = max(array.size for array in arrays.values())
    rows = np.empty(n, dtype=[(name, array.dtype) for name, array in arrays.items()])
    for name, array in arrays.items():
        if array.shape != (n,):
            raise ValueError(
                f"columns: expected {n} values in each column, as in the longest, got shape "
                f"{array.shape} in {name!r}; pass one value for each sample"
            )
        rows[name] = array
    return rows


def rows_of(sensitive: Any, rows: np.ndarray) -> Any:
    """Return some rows of sensitive features, as columns by name; all rows as they are.

    Args:
        sensitive: Sensitive features in any form that `fit` takes, or None.
        rows: Booleans (n,) or indices.
    """
    if sensitive is None or (rows.dtype == bool and rows.all()):
        return sensitive
    columns = {name: to_array(column) for name, column in attribute_columns(sensitive).items()}
    wrong = [n for n, c in columns.items() if rows.dtype == bool and len(c) != len(rows)]
    if wrong:
        return sensitive  # the length is refused where the table is read
    return {name: column[rows] for name, column in columns.items()}


def strata(y: np.ndarray, sensitive: Any, *, of_classes: bool) -> np.ndarray | None:
    """Return the class and the groups of each sample as one code, without rare combinations.

    Args:
        y: Targets (n,).
        sensitive: Sensitive features, or None.
        of_classes: Whether `y` holds classes.

    Returns:
        Codes int64 (n,); None where there is nothing to stratify by.
    """
    columns: Mapping[str, Any] = {} if sensitive is None else attribute_columns(sensitive)
    parts = [np.unique(y, return_inverse=True)[1]] if of_classes else []
    for values in columns.values():
        array = to_array(values)
        if array.shape == (len(y),) and len(set(array.tolist())) <= 20:
            parts.append(np.unique(array.astype(str), return_inverse=True)[1])
    if not parts:
        return None
    codes = np.unique(np.stack(parts, 1), axis=0, return_inverse=True)[1].reshape(-1)
    counts = np.bincount(codes)
    # A combination of one sample cannot be on both sides of a split.
    return np.where(counts[codes] < 2, codes.max() + 1, codes)


def split(
    y: np.ndarray, sensitive: Any, share: float, seed: int, *, of_classes: bool
) -> tuple[np.ndarray, np.ndarray]:
    """Split the samples in two parts with equal shares of each class and group.

    Returns:
        Indices of the training part and of the validation part.
    """
    n = len(y)
    codes = strata(y, sensitive, of_classes=of_classes)
    rare = np.zeros(n, dtype=bool) if codes is None else np.bincount(codes)[codes] < 2
    common = np.flatnonzero(~rare)
    held = max(round(share * n), 0 if codes is None else len(np.unique(codes[common])))
    train, validation = train_test_split(
        common,
        test_size=min(held, len(common) // 2),
        random_state=seed,
        stratify=None if codes is None else codes[common],
    )
    return np.sort(np.concatenate([train, np.flatnonzero(rare)])), np.sort(validation)
