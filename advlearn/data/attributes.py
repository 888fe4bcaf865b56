"""Open tables with sensitive attributes given in any form."""

import warnings
from collections.abc import Collection, Mapping
from typing import Any, Literal, cast

import numpy as np
import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.checks import check_array, check_choice, describe_value
from advlearn.core.naming import suggestion
from advlearn.data.made import biased_table
from advlearn.data.table_columns import missing, named_columns, to_array
from advlearn.data.tables import TABLES
from advlearn.data.tabular_dataset import TabularDataset
from advlearn.data.to_tensor import array_of, samples

# Synthetic tables by name, with their sensitive attribute.
MADE = {"biased-groups": "group", "biased-ages": "age"}
MOST_GROUPS = 20
"""An attribute with more distinct numbers than this is numeric, with fewer it has groups."""
# A feature is far from unit scale if it is larger or smaller by this factor.
FAR = 100.0
Kind = Literal["groups", "numbers"]
KINDS = ("groups", "numbers")


@checked
def table(
    x: Any, y: Any = None, sensitive: Any = None, kinds: Mapping[str, Kind] | None = None
) -> TabularDataset:
    """Open a table by name, or make one from features, labels and sensitive attributes.

    Args:
        x: A name (``"adult"``, ``"german-credit"``, with ``"-test"`` for the test part); or
            features, an array or a tensor (N, d).
        y: Labels (N,): integer classes, or floats for regression.
        sensitive: Attributes: a mapping, a data frame, or an array (N,) or (N, k).
        kinds: ``"groups"`` or ``"numbers"`` by name of an attribute; others are inferred.

    Returns:
        The table. Numbers are standardised in its batches, so that their unit does not matter.

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
    features = samples(array_of(x, "x"))
    columns = attribute_columns(sensitive, "sensitive")
    kinds = check_kinds(kinds, columns)
    encoded = {
        name: encode_attribute(name, values, len(features), kinds.get(name))
        for name, values in columns.items()
    }
    names = {name: labels for name, (_, labels) in encoded.items() if labels}
    target, classes = _target(y)
    _warn_of_units(features)
    codes = {name: values for name, (values, _) in encoded.items()}
    return TabularDataset(features, target, codes, names, classes=classes)


def _warn_of_units(x: Tensor) -> None:
    """Warn of a feature whose numbers are far from those that a network can use."""
    if x.ndim != 2 or len(x) < 2:
        return
    rows = x.double()
    mean, spread = rows.mean(0), rows.std(0)
    far = (spread > FAR) | (spread < 1 / FAR) | (mean.abs() > FAR * spread)
    # A rare indicator has a small spread, and needs no unit.
    indicator = ((rows == rows.amin(0)) | (rows == rows.amax(0))).all(0)
    columns = (far & (spread > 0) & ~indicator).nonzero()[:, 0].tolist()
    if columns:
        k = columns[0]
        warnings.warn(
            f"x: column {k} has mean {float(mean[k]):.3g} and standard deviation "
            f"{float(spread[k]):.3g}; a network needs numbers near 1: standardise the columns with "
            "advlearn.data.Scaling, or use an estimator of advlearn.sklearn, which does so",
            UserWarning,
            stacklevel=3,
        )


@checked
def open_table(data: Any) -> TabularDataset:
    """Open a table given in any form.

    Args:
        data: A name such as ``"adult"``; a tuple (x, y, sensitive) or (x, y, sensitive,
            kinds) of the arguments of `table`; or
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
    if not isinstance(data, tuple) or len(data) not in (3, 4):
        raise ValueError(
            "data: expected the name of a table, a TabularDataset or (x, y, sensitive), "
            f"got {describe_value(data)}"
        )
    return table(*data)


def attribute_columns(sensitive: Any, argument: str = "sensitive_features") -> dict[str, Any]:
    """Return sensitive attributes by name.

    Args:
        sensitive: A mapping, a data frame of any library, a structured array, or an array (N,) or
            (N, k).
        argument: Name of the argument, for error messages.

    Returns:
        The values of each attribute; columns of an array are numbered.

    Raises:
        ValueError: An array of another shape or with a mask, or two columns of one name.
    """
    columns = named_columns(sensitive, argument)
    if columns is not None:
        for name, values in columns.items():
            check_array(name, values)
            shape = to_array(values, name).shape
            if len(shape) != 1:
                raise ValueError(
                    f"{argument}: expected one value per sample, (N,), in column {name!r}, got "
                    f"shape {shape}"
                )
        return columns
    name = str(getattr(sensitive, "name", None) or "sensitive")
    check_array(name, sensitive)
    array = to_array(sensitive, argument)
    if array.ndim == 1:
        return {name: array}
    if array.ndim != 2:
        raise ValueError(
            f"{argument}: expected one value per sample, (N,), or several, (N, k), got shape "
            f"{array.shape}"
        )
    return {f"{name}{k}": array[:, k] for k in range(array.shape[1])}


def check_kinds(kinds: Mapping[str, Kind] | None, columns: Collection[str]) -> dict[str, Kind]:
    """Check which attributes are groups and which are numbers.

    Args:
        kinds: ``"groups"`` or ``"numbers"`` by name of an attribute; None for none.
        columns: Names of the attributes.

    Returns:
        The kinds; an attribute that is missing is inferred from its values.

    Raises:
        ValueError: Another name or kind.
    """
    if kinds is None:
        return {}
    if not isinstance(cast(object, kinds), Mapping):
        raise ValueError(
            "kinds: expected 'groups' or 'numbers' by name, such as {'age': 'numbers'}, "
            f"got {kinds!r}"
        )
    for name, kind in kinds.items():
        if name not in columns:
            hint = suggestion(str(name), list(columns), otherwise="use one of these names")
            raise ValueError(
                f"kinds: expected attributes among {', '.join(columns)}, got {name!r}; {hint}"
            )
        check_choice(f"kinds[{name!r}]", kind, KINDS)
    return dict(kinds)


@checked
def encode_attribute(
    name: str, values: Any, n: int, kind: Kind | None = None
) -> tuple[Tensor, tuple[str, ...]]:
    """Encode one sensitive attribute.

    Args:
        name: Name of the attribute.
        values: One value per sample.
        n: Number of samples.
        kind: ``"groups"`` or ``"numbers"``; None infers it: numbers with more than `MOST_GROUPS`
            different values are numbers, everything else is groups.

    Returns:
        Codes of groups, int64 (n,), and the names of the groups; or numbers, float64 (n,), and no
        names.

    Raises:
        ValueError: Another number of values, missing values, a single group, or text as numbers.

    Warns:
        UserWarning: The values fit both kinds, and `kind` does not say which is meant.
    """
    array = _column(name, values, n)
    numeric = array.dtype.kind in "iuf"
    if not numeric and array.dtype.kind not in "bOUS":
        raise ValueError(f"{name}: expected groups or numbers, got {array.dtype}")
    if kind == "numbers" and not (numeric or array.dtype.kind == "b"):
        raise ValueError(f"{name}: expected numbers, got {array.tolist()[0]!r}; convert the column")
    distinct = len(np.unique(array)) if numeric else 0
    if kind == "numbers" or (kind is None and distinct > MOST_GROUPS):
        if kind is None and array.dtype.kind in "iu":
            _say_what_was_inferred(name, f"{distinct} whole numbers", "numbers", "groups")
        if distinct == 1:
            raise ValueError(f"{name}: expected different numbers, got only {array[0]!s}")
        return torch.from_numpy(array.astype(np.float64)), ()
    fractions = array.dtype.kind == "f" and bool((array != np.round(array)).any())
    if kind is None and fractions and distinct > 2:
        _say_what_was_inferred(name, f"{distinct} different numbers", "groups", "numbers")
    # Numbers are ordered as numbers, not as text.
    ordered, codes = np.unique(array if numeric else _labels(array), return_inverse=True)
    labels = _labels(ordered)
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
        Codes, int64 (n,), or numbers, float64 (n,).

    Raises:
        ValueError: Another number of values, a group without a name, or no numbers where numbers
            are expected.
    """
    array = _column(name, values, n)
    if not labels:
        if array.dtype.kind not in "fiub":
            raise ValueError(f"{name}: expected numbers like the training data, got {array.dtype}")
        return torch.from_numpy(array.astype(np.float64))
    groups = _labels(array).tolist()
    unknown = sorted(set(groups) - set(labels))
    if unknown:
        raise ValueError(
            f"{name}: expected one of the groups of the training data, {', '.join(labels)}, "
            f"got {unknown[0]}"
        )
    code_of = {label: code for code, label in enumerate(labels)}
    return torch.tensor([code_of[group] for group in groups])


def _column(name: str, values: Any, n: int) -> np.ndarray:
    array = to_array(values, name)
    if array.shape == (n, 1):
        array = array[:, 0]
    if array.shape != (n,):
        raise ValueError(
            f"{name}: expected one value for each of {n} samples, got shape {array.shape}"
        )
    absent = np.flatnonzero(missing(array))
    if absent.size:
        raise ValueError(
            f"{name}: expected a value for each sample, got {array[absent[0]]} for {absent.size} "
            f"of them, the first in sample {absent[0]}; fill them or drop these samples"
        )
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite values, got {array[~np.isfinite(array)][0]}")
    return array


def _labels(array: np.ndarray) -> np.ndarray:
    """Return the name of each value's group: 1, 1.0 and np.int64(1) have the same name."""
    if array.dtype.kind == "f" and (array == np.round(array)).all() and abs(array).max() < 1e15:
        array = array.astype(np.int64)
    return array.astype(str)


def _say_what_was_inferred(name: str, values: str, kind: str, other: str) -> None:
    warnings.warn(
        f"{name}: read {values} as {kind}; pass kinds={{{name!r}: {kind!r}}}, or {other!r} if that "
        "is what they are",
        UserWarning,
        stacklevel=4,
    )


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
    array = array_of(y, "y")
    if array.dtype.kind in "iub":
        return torch.from_numpy(array.astype(np.int64)), max(2, int(array.max()) + 1)
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        raise ValueError(f"y: expected classes or finite numbers, got {describe_value(array)}")
    return torch.from_numpy(array.astype(np.float32)), 0
