"""Check arguments of a user; an error is one line that names the argument."""

from typing import TypeVar, cast

Name = TypeVar("Name", bound=str)


def check_number(
    name: str,
    value: float,
    *,
    low: float = float("-inf"),
    high: float = float("inf"),
    open_low: bool = False,
) -> float:
    """Check a finite number, and return it.

    Args:
        name: The argument's name.
        value: The argument.
        low: The smallest allowed value.
        high: The largest allowed value.
        open_low: Whether `low` itself is excluded.

    Returns:
        The value.

    Raises:
        ValueError: `value` is not a finite number or is out of range.

    Example:
        >>> check_number("lr", 0.1, low=0, open_low=True)
        0.1
    """
    wrong_type = isinstance(value, bool) or not isinstance(cast(object, value), int | float)
    if (
        wrong_type
        or not (value > low if open_low else value >= low)
        or value > high
        or value == float("inf")
    ):
        bound = "" if low == float("-inf") else f" {'above' if open_low else 'of at least'} {low:g}"
        bound += "" if high == float("inf") else f" and at most {high:g}"
        raise ValueError(f"{name}: expected a finite number{bound}, got {value!r}")
    return value


def check_choice(name: str, value: Name, allowed: tuple[str, ...]) -> Name:
    """Check that a name is one of the `allowed` ones, and return it.

    Raises:
        ValueError: The name is not allowed; the message lists the allowed ones.

    Example:
        >>> check_choice("norm", "l1", ("l1", "l2"))
        'l1'
    """
    if value not in allowed:
        raise ValueError(f"{name}: expected one of {', '.join(allowed)}, got {value!r}")
    return value


def check_count(name: str, value: int, *, low: int = 1) -> int:
    """Check a whole number, and return it.

    Args:
        name: The argument's name.
        value: The argument.
        low: The smallest allowed value.

    Returns:
        The value.

    Raises:
        ValueError: `value` is not an int or is below `low`.

    Example:
        >>> check_count("samples", 3)
        3
    """
    if isinstance(value, bool) or not isinstance(cast(object, value), int) or value < low:
        raise ValueError(f"{name}: expected a whole number of at least {low}, got {value!r}")
    return value


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
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return type(value).__name__
    return f"{str(dtype).removeprefix('torch.')} {tuple(shape)}"
