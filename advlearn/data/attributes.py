"""Sensitive attributes of any usual form, and the one door for tables that have them."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from advlearn.data.array_dataset import show
from advlearn.data.made import biased_table
from advlearn.data.tables import adult, german_credit
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.data.to_tensor import samples

NAMED = {
    "biased-groups": lambda: biased_table("group"),
    "biased-ages": lambda: biased_table("age"),
    "adult": lambda: adult(),
    "adult-test": lambda: adult("test"),
    "german-credit": lambda: german_credit(),
    "german-credit-test": lambda: german_credit("test"),
}
# Numbers of more distinct values than this are taken as numbers, fewer as groups.
MOST_GROUPS = 20


def open_table(data: Any) -> TabularDataset:
    """Read features, labels and sensitive attributes.

    Args:
        data: A name (``"biased-groups"``, ``"adult"``, ``"german-credit"``; ``"adult-test"`` is the
            test part); a
            `TabularDataset`; or a tuple (x, y, sensitive): arrays or tensors (N, d) and (N,),
            integer classes or, for regression, floats, and a mapping, a data frame or an array (N,)
            or (N, k) of attributes.

    Returns:
        The table.

    Raises:
        ValueError: An unknown name, a column that is refused, or a group without a sample; the line
        names it.

    Example:
        >>> table = open_table((np.zeros((3, 2)), np.array([0, 1, 1]), {"sex": ["f", "m", "m"]}))
        >>> table.attributes, table.sensitive["sex"].tolist()
        ({'sex': 2}, [0, 1, 1])
    """
    if isinstance(data, TabularDataset):
        for name in data.attributes:
            _check_groups(name, data)
        return data
    if isinstance(data, str):
        if data not in NAMED:
            raise ValueError(f"data: expected a table among {', '.join(NAMED)}, got {data!r}")
        return NAMED[data]()
    if not isinstance(data, tuple) or len(data) != 3:
        raise ValueError(f"data: expected a name, a Table or (x, y, sensitive), got {show(data)}")
    x, y, sensitive = data
    encoded = {
        name: attribute(name, values, len(x)) for name, values in columns_of(sensitive).items()
    }
    names = {name: labels for name, (_, labels) in encoded.items() if labels}
    features, (target, classes) = samples(np.asarray(x)), _target(y)
    return TabularDataset(
        features,
        target,
        {k: v for k, (v, _) in encoded.items()},
        names,
        name="table",
        classes=classes,
    )


def columns_of(sensitive: Any) -> dict[str, Any]:
    """Sensitive attributes by name: of a mapping, a data frame, or an array (N,) or (N, k)."""
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
            f"{name}: expected one value a sample, (N,), or several, (N, k), got shape {array.shape}"
        )
    return {f"{name}{k}": array[:, k] for k in range(array.shape[1])}


def attribute(name: str, values: Any, n: int) -> tuple[Tensor, tuple[str, ...]]:
    """Codes int64 (n,) of groups with their names, or float32 (n,) numbers without; one line for a column refused."""
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
        raise ValueError(f"{name}: expected two or more groups, got {labels[0]!s} alone")
    return torch.from_numpy(codes.astype(np.int64)), tuple(map(str, labels))


def attribute_as(name: str, values: Any, n: int, labels: tuple[str, ...]) -> Tensor:
    """More of a column that `attribute` has read before: codes (n,) by its names of groups, or numbers without."""
    array = _column(name, values, n)
    if not labels:
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name}: expected numbers as before, got {array.dtype}")
        return torch.from_numpy(array.astype(np.float32))
    groups = np.array([str(value) for value in array])
    unseen = sorted(set(groups.tolist()) - set(labels))
    if unseen:
        raise ValueError(
            f"{name}: expected one of the groups there were before, {', '.join(labels)}, got {unseen[0]}"
        )
    return torch.tensor([labels.index(group) for group in groups.tolist()])


def _column(name: str, values: Any, n: int) -> np.ndarray:
    array = np.asarray(values)
    if array.shape != (n,):
        raise ValueError(
            f"{name}: expected one value for each of {n} samples, got shape {array.shape}"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(
            f"{name}: expected finite values, got {array[~np.isfinite(array)][0]} in a sensitive column"
        )
    return array


def _check_groups(name: str, table: TabularDataset) -> None:
    """Refuse an attribute with a group that no sample is of, or with one group alone."""
    groups, labels = table.attributes[name], table.sensitive_names.get(name)
    if groups == 1:
        raise ValueError(
            f"{name}: expected two or more groups, got {labels[0] if labels else 0} alone"
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
        raise ValueError(f"y: expected classes or finite numbers, got {show(array)}")
    return torch.from_numpy(array.astype(np.float32)), 0
