"""Open tables with sensitive attributes given in any form."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.core.naming import suggestion
from advlearn.data.made import biased_table
from advlearn.data.tables import TABLES
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.data.to_tensor import samples

# Synthetic tables by name, with their sensitive attribute.
MADE = {"biased-groups": "group", "biased-ages": "age"}
MOST_GROUPS = 20
"""An attribute with more distinct numbers than this is numeric, with fewer it has groups."""


@checked
def table(x: Any, y: Any = None, sensitive: Any = None) -> TabularDataset:
    """Open a table by name, or make one from features, labels and sensitive attributes.

    Args:
        x: A name (``"adult"``, ``"german-credit"``, with ``"-test"`` for the test part); or
            features, an array or a tensor (N, d).
        y: Labels (N,): integer classes, or floats for regression.
        sensitive: Attributes: a mapping, a data frame, or an array (N,) or (N, k).

    Returns:
        The table.

    Raises:
        ValueError: An unknown name, a column that cannot be used, or an attribute of one group.

    Example:
        >>> data = table(np.zeros((3, 2)), np.array([0, 1, 1]), {"sex": ["f", "m", "m"]})
        >>> data.attributes, data.sensitive["sex"].tolist()
        ({'sex': 2}, [0, 1, 1])
    """
    if isinstance(x, str):
        if x in MADE:
            return biased_table(MADE[x])
        stem = x.removesuffix("-test")
        if stem not in TABLES:
            known = [name + end for name in TABLES for end in ("", "-test")] + list(MADE)
            hint = suggestion(x, known, otherwise="use one of these names")
            raise ValueError(f"data: expected a table among {', '.join(known)}, got {x!r}; {hint}")
        return TABLES[stem]("train" if x == stem else "test")
    features = samples(np.asarray(x))
    encoded = {
        name: encode_attribute(name, values, len(features))
        for name, values in attribute_columns(sensitive).items()
    }
    names = {name: labels for name, (_, labels) in encoded.items() if labels}
    target, classes = _target(y)
    codes = {name: values for name, (values, _) in encoded.items()}
    return TabularDataset(features, target, codes, names, classes=classes)


@checked
def open_table(data: Any) -> TabularDataset:
    """Open a table given in any form.

    Args:
        data: A name such as ``"adult"``; a tuple (x, y, sensitive) of the arguments of `table`; or
            a `TabularDataset`.

    Returns:
        The table.

    Raises:
        ValueError: As `table`, a group without samples, or data of another form.

    Example:
        >>> open_table((np.zeros((2, 2)), np.array([0, 1]), {"sex": ["f", "m"]})).classes
        2
    """
    if isinstance(data, TabularDataset):
        for name in data.attributes:
            _check_groups(name, data)
        return data
    if isinstance(data, str):
        return table(data)
    if not isinstance(data, tuple) or len(data) != 3:
        raise ValueError(
            "data: expected the name of a table, a TabularDataset or (x, y, sensitive), "
            f"got {describe_value(data)}"
        )
    return table(*data)


def attribute_columns(sensitive: Any) -> dict[str, Any]:
    """Return sensitive attributes by name.

    Args:
        sensitive: A mapping, a data frame, or an array (N,) or (N, k).

    Returns:
        The values of each attribute; columns of an array are numbered.

    Raises:
        ValueError: An array of another shape.
    """
    if isinstance(sensitive, Mapping):
        return {str(name): values for name, values in sensitive.items()}
    if hasattr(sensitive, "columns") and hasattr(sensitive, "iloc"):
        return {str(name): sensitive[name] for name in sensitive.columns}
    name = str(getattr(sensitive, "name", None) or "sensitive")
    array = np.asarray(sensitive)
    if array.ndim == 1:
        return {name: array}
    if array.ndim != 2:
        raise ValueError(
            f"{name}: expected one value per sample, (N,), or several, (N, k), "
            f"got shape {array.shape}"
        )
    return {f"{name}{k}": array[:, k] for k in range(array.shape[1])}


@checked
def encode_attribute(name: str, values: Any, n: int) -> tuple[Tensor, tuple[str, ...]]:
    """Encode one sensitive attribute.

    Args:
        name: Name of the attribute.
        values: One value per sample.
        n: Number of samples.

    Returns:
        Codes of groups, int64 (n,), and the names of the groups; or numbers, float32 (n,), and no
        names.

    Raises:
        ValueError: Another number of values, missing values, or a single group.
    """
    array = _column(name, values, n)
    if array.dtype.kind == "f":
        if len(np.unique(array)) > MOST_GROUPS:
            return torch.from_numpy(array.astype(np.float32)), ()
    elif array.dtype.kind not in "iubOUS":
        raise ValueError(f"{name}: expected groups or numbers, got {array.dtype}")
    missing = [v for v in array.tolist() if v is None or v != v]
    if missing:
        raise ValueError(
            f"{name}: expected a group for each sample, got {missing[0]} for {len(missing)} of them"
        )
    if array.dtype.kind in "iu" and len(np.unique(array)) > MOST_GROUPS:
        return torch.from_numpy(array.astype(np.float32)), ()
    labels, codes = np.unique(
        array.astype(str) if array.dtype.kind == "O" else array, return_inverse=True
    )
    if len(labels) < 2:
        raise ValueError(f"{name}: expected two or more groups, got only {labels[0]!s}")
    return torch.from_numpy(codes.astype(np.int64)), tuple(map(str, labels))


@checked
def encode_attribute_like(name: str, values: Any, n: int, labels: tuple[str, ...]) -> Tensor:
    """Encode more values of an attribute that `encode_attribute` has encoded before.

    Args:
        name: Name of the attribute.
        values: One value per sample.
        n: Number of samples.
        labels: Names of the groups; empty for numbers.

    Returns:
        Codes, int64 (n,), or numbers, float32 (n,).

    Raises:
        ValueError: Another number of values, a group without a name, or no numbers where numbers
            are expected.
    """
    array = _column(name, values, n)
    if not labels:
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name}: expected numbers like the training data, got {array.dtype}")
        return torch.from_numpy(array.astype(np.float32))
    groups = np.array([str(value) for value in array])
    unknown = sorted(set(groups.tolist()) - set(labels))
    if unknown:
        raise ValueError(
            f"{name}: expected one of the groups of the training data, {', '.join(labels)}, "
            f"got {unknown[0]}"
        )
    return torch.tensor([labels.index(group) for group in groups.tolist()])


def _column(name: str, values: Any, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(
            f"{name}: expected one value for each of {n} samples, got shape {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite values, got {array[~np.isfinite(array)][0]}")
    return array


def _check_groups(name: str, table: TabularDataset) -> None:
    """Raise a ValueError for an attribute of one group, or with a group without samples."""
    groups, labels = table.attributes[name], table.sensitive_names.get(name)
    if groups == 1:
        raise ValueError(
            f"{name}: expected two or more groups, got only {labels[0] if labels else 0}"
        )
    if groups:
        counts = torch.bincount(table.sensitive[name], minlength=groups)
        empty = (counts == 0).nonzero()
        if len(empty):
            group = labels[int(empty[0])] if labels else int(empty[0])
            raise ValueError(
                f"{name}: expected samples of each of {groups} groups, got none of {group!r}"
            )


def _target(y: Any) -> tuple[Tensor, int]:
    array = np.asarray(y)
    if array.dtype.kind in "iub":
        return torch.from_numpy(array.astype(np.int64)), max(2, int(array.max()) + 1)
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise ValueError(f"y: expected classes or finite numbers, got {describe_value(array)}")
    return torch.from_numpy(array.astype(np.float32)), 0
