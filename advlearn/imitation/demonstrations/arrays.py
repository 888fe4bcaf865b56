"""Check the arrays of demonstrations, and convert flags and numbers without loss."""

import json
from typing import Any

import numpy as np

from advlearn.core.checks import check_array, describe_value, plain_number, shown

Array = np.ndarray[Any, np.dtype[Any]]


def check_layout(observations: Any, actions: Any, lengths: Any, terminated: Any) -> None:
    """Raise unless each column of demonstrations is an array of numbers of the right kind.

    Args:
        observations: An array (N, ...), or a dict of such arrays.
        actions: An array, or None.
        lengths: An integer array (n,).
        terminated: A bool array (n,).

    Raises:
        ValueError: If a column is of another kind; the message names it.
    """
    parts = observations if isinstance(observations, dict) else {"": observations}
    if not parts:
        raise ValueError("observations: expected at least one array, got an empty dict; add one")
    for name, part in parts.items():
        _numbers(f"observations[{name!r}]" if name else "observations", part)
    if actions is not None:
        _numbers("actions", actions)
    _column("lengths", lengths, "iu", "whole numbers")
    _column("terminated", terminated, "b", "bools")


def as_flags(name: str, values: Any) -> Array:
    """Convert bools, and numbers 0 and 1, to bools; refuse texts, whose truth is not their value.

    Args:
        name: The argument's name.
        values: An array or a list (n,).

    Example:
        >>> as_flags("terminated", [0, 1])
        array([False,  True])
    """
    array = np.asarray(values)
    if array.dtype.kind == "b":
        return array
    if array.dtype.kind in "iuf" and bool(np.isin(array, (0, 1)).all()):
        return array.astype(bool)
    raise ValueError(
        f"{name}: expected bools, got {describe_value(array)}; pass an array of dtype bool"
    )


def as_number(name: str, value: Any) -> float:
    """Convert a number, or an array of one, to a float; NaN is allowed.

    Args:
        name: The argument's name.
        value: The number.

    Example:
        >>> as_number("expert_return_mean", np.array(2))
        2.0
    """
    array = np.asarray(value)
    number = plain_number(array.reshape(-1)[0]) if array.size == 1 else None
    if number is None:
        raise ValueError(f"{name}: expected a number, got {shown(value)}; pass one number")
    return float(number)


def as_settings(name: str, text: Any) -> dict[str, Any]:
    """Convert the JSON text of keyword arguments to a dict.

    Args:
        name: The argument's name.
        text: The text, or an array of one text.

    Example:
        >>> as_settings("env_settings", '{"g": 0.0}')
        {'g': 0.0}
    """
    try:
        settings = json.loads(str(text))
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ValueError(f"{name}: expected the JSON text of a dict, got {shown(text)}")
    return settings


def _numbers(name: str, part: Any) -> None:
    check_array(name, part)
    if not isinstance(part, np.ndarray) or part.ndim < 1 or part.dtype.kind not in "fiub":
        raise ValueError(
            f"{name}: expected an array (N, ...) of numbers, got {describe_value(part)}; "
            "pass a numpy array"
        )


def _column(name: str, values: Any, kinds: str, content: str) -> None:
    check_array(name, values)
    if not isinstance(values, np.ndarray) or values.ndim != 1 or values.dtype.kind not in kinds:
        raise ValueError(
            f"{name}: expected an array (n,) of {content}, got {describe_value(values)}; "
            "pass one value for each episode"
        )
