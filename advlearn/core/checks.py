"""Check arguments of a user; an error is one line that names the argument."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

import numpy as np

Name = TypeVar("Name", bound=str)

LARGEST = 2**31 - 1
"""Largest whole number that an argument takes where its check names no other bound."""


def check_number(
    name: str,
    value: float,
    *,
    low: float = float("-inf"),
    high: float = float("inf"),
    open_low: bool = False,
    open_high: bool = False,
) -> float:
    """Check a finite number, and return it as a plain int or float.

    Args:
        name: The argument's name.
        value: The argument; a numpy number is converted.
        low: The smallest allowed value.
        high: The largest allowed value.
        open_low: Whether `low` itself is excluded.
        open_high: Whether `high` itself is excluded.

    Returns:
        The value, an int or a float.

    Raises:
        ValueError: `value` is not a finite number or is out of range.

    Example:
        >>> check_number("lr", np.float64(0.1), low=0, open_low=True)
        0.1
    """
    number = plain_number(value)
    if (
        number is None
        or not is_finite(number)
        or not (number > low if open_low else number >= low)
        or not (number < high if open_high else number <= high)
    ):
        expected = _range("a finite number", low, high, open_low, open_high)
        raise refusal(name, expected, value, _near(low, high, open_low, open_high))
    return number


def check_choice(name: str, value: Name, allowed: tuple[str, ...]) -> Name:
    """Check that a name is one of the `allowed` ones, and return it.

    Raises:
        ValueError: The name is not allowed; the message lists the allowed ones.

    Example:
        >>> check_choice("norm", "l1", ("l1", "l2"))
        'l1'
    """
    # A list cannot be compared to a name in every container, and an array compares elementwise.
    if not isinstance(cast(object, value), str) or value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {shown(value)}")
    return value


def check_count(name: str, value: int, *, low: int = 1, high: int = LARGEST) -> int:
    """Check a whole number, and return it as a plain int.

    Args:
        name: The argument's name.
        value: The argument; a numpy integer is converted.
        low: The smallest allowed value.
        high: The largest allowed value.

    Returns:
        The value, an int.

    Raises:
        ValueError: `value` is not an int or is out of range.

    Example:
        >>> check_count("samples", np.int64(3))
        3
    """
    number = plain_number(value)
    if not isinstance(number, int) or not low <= number <= high:
        # The upper bound is of interest only to a value beyond it.
        beyond = isinstance(number, int) and number > high
        least = f" of at least {low}" if low > -LARGEST else ""
        bound = f"{least} and at most {high}" if beyond and least else least
        bound = f" of at most {high}" if beyond and not least else bound
        raise refusal(
            name,
            f"a whole number{bound}",
            value,
            f"a whole number such as {max(low, min(1, high))}",
        )
    return number


def check_flag(name: str, value: bool) -> bool:
    """Check a flag, and return it as a plain bool.

    Args:
        name: The argument's name.
        value: The argument; a numpy bool is converted, and no other value is taken as one.

    Raises:
        ValueError: `value` is not a bool.

    Example:
        >>> check_flag("compile", np.bool_(True))
        True
    """
    if not isinstance(cast(object, value), bool | np.bool_):
        raise refusal(name, "True or False", value, "True or False")
    return bool(value)


def check_text(name: str, value: str) -> str:
    """Check a text that is not empty, and return it.

    Args:
        name: The argument's name.
        value: The argument.

    Raises:
        ValueError: `value` is not a str, or is empty, as an unset shell variable is.

    Example:
        >>> check_text("data", "digits")
        'digits'
    """
    if not isinstance(cast(object, value), str):
        raise refusal(name, "a text", value, "a str")
    if not value.strip():
        raise ValueError(f"{name}: expected a text, got {value!r}; leave it out or fill it in")
    return value


def check_path(name: str, value: str | Path) -> Path:
    """Check a path, and return it as a `Path`, with the user's folder in place of a leading ``~``.

    Args:
        name: The argument's name.
        value: A str or a `Path`.

    Raises:
        ValueError: `value` is neither, is empty, or holds a NUL character.

    Example:
        >>> check_path("out", "runs/a").name
        'a'
    """
    if not isinstance(cast(object, value), str | Path):
        raise refusal(name, "a path", value, "a str or a pathlib.Path")
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{name}: expected a path, got {value!r}; write '.' for this folder")
    if "\0" in str(value):
        raise ValueError(f"{name}: expected a path, got {value!r}; remove the NUL character")
    return user_path(value)


def user_path(value: str | Path) -> Path:
    """Return a path with the user's folder in place of a leading ``~``.

    Example:
        >>> user_path("~no-such-user/a").parts
        ('~no-such-user', 'a')
    """
    try:
        return Path(value).expanduser()
    except RuntimeError:  # there is no user of this name
        return Path(value)


def check_array(name: str, value: object) -> None:
    """Raise if an array or tensor has hidden or complex values, which conversions would lose.

    Args:
        name: The argument's name.
        value: Any object; only arrays and tensors are looked at.

    Raises:
        ValueError: `value` is a masked array, or has a complex dtype.

    Example:
        >>> check_array("data", np.ma.masked_array([1.0, 2.0], [0, 1]))
        Traceback (most recent call last):
        ValueError: data: expected values without a mask, got a masked array; pass \
data.filled(value) or data.compressed()
    """
    if isinstance(value, np.ma.MaskedArray):
        raise ValueError(
            f"{name}: expected values without a mask, got a masked array; "
            f"pass {name}.filled(value) or {name}.compressed()"
        )
    if "complex" in str(getattr(value, "dtype", "")):
        raise ValueError(
            f"{name}: expected real numbers, got {describe_value(value)}; "
            "pass the real and imaginary parts as two features"
        )


def check_method(name: str, value: object, method: str) -> None:
    """Raise unless an object has a method.

    Args:
        name: The argument's name.
        value: The argument.
        method: Name of the method.

    Raises:
        TypeError: `value` has no such method.

    Example:
        >>> check_method("policy", 5, "predict")
        Traceback (most recent call last):
        TypeError: policy: expected an object with the method predict, got 5; pass such an object
    """
    if not callable(getattr(value, method, None)):
        raise TypeError(
            f"{name}: expected an object with the method {method}, got {shown(value)}; "
            "pass such an object"
        )


def plain_number(value: object) -> int | float | None:
    """Return a number as a plain int or float; None for any other value, bools included.

    Example:
        >>> plain_number(np.int64(3)), plain_number(True), plain_number("3")
        (3, None, None)
    """
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, np.integer | int):
        return int(cast(Any, value))
    if isinstance(value, np.floating | float):
        return float(cast(Any, value))
    return None


def is_finite(number: int | float) -> bool:
    """Return whether a number is finite as a float."""
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def shown(value: object) -> str:
    """Return a value on one short line, for an error message.

    Example:
        >>> shown("0.1"), shown([1, 2]), shown(np.zeros(3))
        ("'0.1'", '[1, 2]', 'float64 (3,)')
    """
    if isinstance(value, np.generic):
        return repr(cast(Any, value).item())
    if getattr(value, "shape", None) is not None or callable(value):
        return describe_value(value)
    try:
        text = " ".join(repr(cast(Any, value)).split())
    except ValueError:  # an int of more digits than Python prints
        return f"a number of {cast(int, value).bit_length()} bits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def refusal(name: str, expected: str, value: object, fix: str) -> ValueError:
    """Return the error of a plain value: what was expected, what was given, and what to pass.

    Args:
        name: The argument's name.
        expected: What was expected.
        value: What was given.
        fix: What to pass instead.
    """
    hint = f"pass {fix}"
    if isinstance(value, str):
        hint = "leave it out or fill it in" if not value.strip() else f"{hint} without quotes"
    return ValueError(f"{name}: expected {expected}, got {shown(value)}; {hint}")


def _range(kind: str, low: float, high: float, open_low: bool, open_high: bool) -> str:
    """Describe the numbers of a range."""
    words = [
        "" if low == float("-inf") else f"{'above' if open_low else 'of at least'} {low:g}",
        "" if high == float("inf") else f"{'below' if open_high else 'at most'} {high:g}",
    ]
    return " ".join([kind, " and ".join(filter(None, words))]).strip()


def _near(low: float, high: float, open_low: bool, open_high: bool) -> str:
    """Return an example of the numbers of a range."""
    for number in (1.0, 0.5, 0.1, low, high):
        if (low < number if open_low else low <= number) and (
            number < high if open_high else number <= high
        ):
            return f"a number such as {number:g}"
    return f"a number such as {(low + high) / 2:g}"


def describe_value(value: object) -> str:
    """Describe a value in an error message: dtype and shape of a tensor or array, else the type.

    Args:
        value: Any object.

    Returns:
        For example ``"float32 (3, 2)"`` or ``"list"``.

    Example:
        >>> describe_value([1])
        'list'
    """
    if isinstance(value, type) or getattr(value, "is_nested", False) is True:
        return type(value).__name__
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if not isinstance(shape, Sequence) or dtype is None:
        return type(value).__name__
    return f"{str(dtype).removeprefix('torch.')} {tuple(cast(Sequence[int], shape))}"
