"""Check the arguments of a call by the annotations of its parameters, before any work."""

import functools
import inspect
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar, cast

from advlearn.core.argument_rules import Bounds, Length, Rule, rule_of

Target = TypeVar("Target")

Count = Annotated[int, Bounds(low=1)]
"""A whole number of at least 1."""
Natural = Annotated[int, Bounds(low=0)]
"""A whole number of at least 0."""
Seed = Annotated[int, Bounds(low=0, high=2**32 - 1)]
"""A seed: a whole number from 0 to 2^32 - 1."""
Positive = Annotated[float, Bounds(low=0, open_low=True)]
"""A finite number above 0."""
NonNegative = Annotated[float, Bounds(low=0)]
"""A finite number of at least 0."""
ImageShape = Annotated[Sequence[int], Length(3, 3, "the shape (C, H, W) of an image")]
"""Channels, height and width of an image."""
GridShape = Annotated[
    Sequence[int],
    Length(2, 4, "the shape (C, H, W) of an image, (C, L) of a series or (C, D, H, W) of a volume"),
]
"""Channels and sides of an image, a series or a volume."""
Widths = Annotated[Sequence[Count], Length(1, None, "the sizes of one layer or more")]
"""Sizes of hidden layers, at least one."""
Share = Annotated[float, Bounds(low=0, high=1)]
"""A number from 0 to 1."""


def checked(target: Target) -> Target:
    """Check each argument of a function or a constructor by its annotation, at each call.

    A number, a flag, a text, a choice or a sequence of them is checked and converted to plain
    Python values, so that numpy numbers can be saved. An object is checked to be of its class.
    ``Annotated[float, Bounds(low=0)]`` also declares a range. Masked and complex arrays are
    refused everywhere. A parameter without an annotation takes any other value.

    Args:
        target: A function, or a class whose constructor is checked.

    Returns:
        The function with the checks; a class is changed in place.

    Raises:
        TypeError: From a call, if an object is of another class.
        ValueError: From a call, if another argument is refused; the message names it.

    Example:
        >>> import numpy as np
        >>> @checked
        ... def double(x: float, times: Count = 1) -> float:
        ...     return 2 * x * times
        >>> double(np.float32(0.5))
        1.0
        >>> double(1.0, times=0)
        Traceback (most recent call last):
        ValueError: times: expected a whole number of at least 1, got 0; pass a whole number such \
as 1
    """
    if isinstance(target, type):
        cls = cast(Any, target)
        cls.__init__ = _checked_call(cls.__init__)
        return target
    return cast(Target, _checked_call(cast(Callable[..., Any], target)))


def _checked_call(function: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(function)

    @functools.cache
    def rules() -> dict[str, Rule]:
        return _rules_of(function, signature)

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError:
            # Python's own message on a missing or unknown argument names the function.
            return function(*args, **kwargs)
        for name, value in bound.arguments.items():
            parameter = signature.parameters[name]
            if not _is_default(value, parameter.default) and name in rules():
                bound.arguments[name] = rules()[name](name, value)
        return function(*bound.args, **bound.kwargs)

    return call


def _is_default(value: Any, default: Any) -> bool:
    """Return whether a value is the default, which needs no check: an empty text, or NaN."""
    if isinstance(value, float) and isinstance(default, float):
        return value == default or (value != value and default != default)
    return value is default or (isinstance(value, str) and value == default)


def _rules_of(function: Callable[..., Any], signature: inspect.Signature) -> dict[str, Rule]:
    """Return the rule of each parameter that has one; those in stars are the callee's concern."""
    hints = hints_of(function)
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return {
        p.name: rule_of(hints.get(p.name, Any))
        for p in signature.parameters.values()
        if p.kind not in starred and p.name not in ("self", "cls")
    }


def check_settings(function: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Check values by the annotations of the parameters with their names, and return them plain.

    Estimators check in `fit` what scikit-learn makes them store unchecked in the constructor.

    Args:
        function: A function, or an unchecked constructor.
        values: Values by the names of parameters; other names are left out.
    """
    signature = inspect.signature(function)
    rules = _rules_of(function, signature)
    return {
        name: value
        if _is_default(value, signature.parameters[name].default)
        else rules[name](name, value)
        for name, value in values.items()
        if name in rules
    }


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function, without those that only a type checker can read."""
    unwrapped = inspect.unwrap(function)
    try:
        return typing.get_type_hints(unwrapped, include_extras=True)
    except NameError:
        raw = inspect.get_annotations(unwrapped)
        return {name: hint for name, hint in raw.items() if not isinstance(hint, str)}
