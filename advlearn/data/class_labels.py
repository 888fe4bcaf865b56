"""Read labels of any form as class indices with their names, or as vectors."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from advlearn.core.array_checks import check_dense
from advlearn.core.checks import describe_value


class Labels(NamedTuple):
    """Labels of a data set.

    Args:
        y: Class indices, int64 (N,), or vectors, float32 (N, d).
        classes: Number of classes; 0 for vectors.
        names: The user's label of each class; empty where these are 0 to K - 1.
    """

    y: Tensor
    classes: int = 0
    names: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The mapping of labels to classes, for the line about the data."""
        if not self.names or not all(_is_int(name) for name in self.names):
            return ()
        return (f"labels {_listed(self.names)} mapped to 0 to {len(self.names) - 1}",)


def read_labels(values: Any, argument: str = "labels") -> Labels:
    """Read the labels of a data set.

    Integers and strings are classes. Where they are not 0 to K - 1, they are mapped to class
    indices in their order, and their names are kept. One-hot integers (N, K) are classes too.

    Args:
        values: A tensor, an array, a column or a list of integers or strings, (N,) or (N, 1);
            one-hot integers (N, K); or float vectors (N, d).
        argument: The argument's name in errors.

    Raises:
        TypeError: Floats (N,), or values of another type.
        ValueError: A label below 0, or rows of integers that are not one-hot.

    Example:
        >>> read_labels(["cat", "dog", "cat"]).y, read_labels([5, 0, 5]).names
        (tensor([0, 1, 0]), ('0', '5'))
    """
    array = _array(values, argument)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array if array.dtype.kind == "f" else array[:, 0]
    if array.ndim == 2 and array.dtype.kind == "f":
        return Labels(torch.from_numpy(np.array(array, dtype=np.float32)))
    if array.ndim == 2 and array.dtype.kind in "iub":
        return _one_hot(array, argument)
    if array.ndim != 1 or array.dtype.kind not in "iubUS":
        raise TypeError(
            f"{argument}: expected integers or strings of shape (N,), got {describe_value(array)}; "
            "pass class indices, or vectors as floats (N, d)"
        )
    return _classes(array, argument)


def as_names(labels: Labels, classes: int, names: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each class, by default its index."""
    return tuple(names or labels.names or map(str, range(classes)))


def _array(values: Any, argument: str) -> np.ndarray[Any, Any]:
    check_dense(argument, values)
    if isinstance(values, Tensor):
        return values.detach().cpu().numpy()
    if isinstance(values, list | tuple) and any(isinstance(value, str) for value in values):
        # np.asarray would turn NaN, a missing label, into the class 'nan', and 1 into '1'.
        values = np.array(values, dtype=object)
    try:
        array = np.asarray(values)
    except ValueError:
        raise TypeError(
            f"{argument}: expected one label for each sample, got a ragged list"
        ) from None
    if array.dtype.kind in "OT" and all(isinstance(value, str) for value in array.flat):
        array = array.astype(str)
    elif array.dtype.kind == "O" and all(_is_whole(value) for value in array.flat):
        array = array.astype(np.int64)
    return array


def _classes(array: np.ndarray[Any, Any], argument: str) -> Labels:
    found, index = np.unique(array, return_inverse=True)
    if array.dtype.kind in "iub":
        if len(found) and found[0] < 0:
            raise ValueError(
                f"{argument}: expected class indices of at least 0, got {found[0]}; drop the "
                "samples without a label, or use a method for few labels"
            )
        if np.array_equal(found, np.arange(len(found))):
            return Labels(torch.from_numpy(array.astype(np.int64)), len(found))
        names = tuple(str(int(value)) for value in found)
    else:
        names = tuple(str(value) for value in found)
    return Labels(torch.from_numpy(index.astype(np.int64)), len(found), names)


def _one_hot(array: np.ndarray[Any, Any], argument: str) -> Labels:
    rows = array.astype(np.int64)
    if not (np.isin(rows, (0, 1)).all() and (rows.sum(1) == 1).all()):
        raise ValueError(
            f"{argument}: expected one-hot rows of integers, got {describe_value(array)}; pass "
            "class indices (N,), or vectors as floats (N, d)"
        )
    return Labels(torch.from_numpy(rows.argmax(1)), array.shape[1])


def _is_whole(value: object) -> bool:
    return isinstance(value, (int, np.integer)) or (torch.is_tensor(value) and value.ndim == 0)


def _is_int(text: str) -> bool:
    return text.lstrip("-").isdecimal()


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown}, ... ({len(names)} labels)"
