"""Rules that check and convert one argument, each made from an annotation."""

import functools
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, cast, final

import torch

from advlearn.core import checks

Rule = Callable[[str, Any], Any]
"""Return the converted value of a named argument, or raise an error that names it."""


@final
@dataclass(frozen=True, slots=True)
class Bounds:
    """Range of a number, as metadata of ``Annotated``.

    Args:
        low: The smallest allowed value.
        high: The largest allowed value.
        open_low: Whether `low` itself is excluded.
        open_high: Whether `high` itself is excluded.
    """

    low: float = float("-inf")
    high: float = float("inf")
    open_low: bool = False
    open_high: bool = False


@final
@dataclass(frozen=True, slots=True)
class Length:
    """Length of a sequence, as metadata of ``Annotated``.

    Args:
        low: The smallest allowed length.
        high: The largest allowed length; None sets no bound.
        form: What the sequence holds, for messages.
    """

    low: int
    high: int | None
    form: str


def rule_of(hint: Any) -> Rule:
    """Return the rule of an annotation.

    Args:
        hint: An annotation, as `typing.get_type_hints` returns it with its extras.

    Example:
        >>> rule_of(tuple[int, ...])("shape", [1, 8])
        (1, 8)
    """
    plain = _PLAIN.get(hint) if isinstance(hint, type) else None
    if plain is not None:
        return plain
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is Annotated:
        return _annotated(arguments)
    if origin in (Union, types.UnionType):
        return _union(arguments)
    if origin is Literal:
        return functools.partial(_choice, arguments)
    if origin is Callable:
        return _callable
    if isinstance(hint, TypeVar):
        allowed = hint.__constraints__ or (hint.__bound__ or Any,)
        return _union(allowed)
    if isinstance(origin, type):
        return _generic(origin, arguments)
    if isinstance(hint, type) and hint is not object and not _is_loose(hint):
        return functools.partial(_instance, hint)
    return _any


def _is_loose(hint: type) -> bool:
    """Return whether objects of a type cannot be recognised: protocols, structures, streams."""
    is_protocol = getattr(hint, "_is_protocol", False)
    if is_protocol:
        return not getattr(hint, "_is_runtime_protocol", False)
    return typing.is_typeddict(hint) or hint.__module__ == "typing"


def _annotated(arguments: tuple[Any, ...]) -> Rule:
    bounds = next((extra for extra in arguments[1:] if isinstance(extra, Bounds | Length)), None)
    if bounds is None:
        return rule_of(arguments[0])
    if isinstance(bounds, Length):
        return functools.partial(_long, bounds, rule_of(arguments[0]))
    if arguments[0] is int:
        return functools.partial(_whole, bounds)
    return functools.partial(_number, bounds)


def _union(arguments: tuple[Any, ...]) -> Rule:
    if len(arguments) == 1:
        return rule_of(arguments[0])
    optional = type(None) in arguments
    parts = tuple(part for part in arguments if part is not type(None))
    if torch.device in parts:
        return functools.partial(_optional, optional, _device)
    if {str, Path} == set(parts):
        return functools.partial(_optional, optional, _path)
    rules = [(part, rule_of(part)) for part in parts]
    return functools.partial(_optional, optional, functools.partial(_first_of, rules, optional))


def _optional(optional: bool, rule: Rule, name: str, value: Any) -> Any:
    return None if optional and value is None else rule(name, value)


def _first_of(rules: list[tuple[Any, Rule]], optional: bool, name: str, value: Any) -> Any:
    """Convert by the first rule that takes the value; else raise the most specific error."""
    errors: list[tuple[Any, Exception]] = []
    for hint, rule in rules:
        try:
            return rule(name, value)
        except (TypeError, ValueError) as error:
            errors.append((hint, error))
    if len(errors) == 1:
        raise errors[0][1]
    for hint, error in errors:
        if _is_kind(value, hint):
            raise error
    named = [_described(hint) for hint, _ in errors] + ["None"] * optional
    expected = f"{', '.join(named[:-1])} or {named[-1]}"
    raise TypeError(f"{name}: expected {expected}, got {checks.shown(value)}; pass one of them")


def _is_kind(value: Any, hint: Any) -> bool:
    """Return whether a refused value is of the kind of a rule, whose error is then the clearest."""
    if typing.get_origin(hint) is Annotated:
        hint = typing.get_args(hint)[0]
    if typing.get_origin(hint) is Literal or hint is str:
        return isinstance(value, str)
    if hint in (int, float):
        return checks.plain_number(value) is not None
    origin = typing.get_origin(hint)
    return isinstance(origin, type) and isinstance(value, origin) and not isinstance(value, str)


def _described(hint: Any) -> str:
    """Describe an annotation in words."""
    words = {str: "a text", int: "a whole number", float: "a finite number", bool: "a bool"}
    if typing.get_origin(hint) is Annotated:
        return _described(typing.get_args(hint)[0])
    if typing.get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, typing.get_args(hint)))
    if typing.get_origin(hint) is Callable:
        return "a callable"
    origin = typing.get_origin(hint) or hint
    return words.get(origin) or _article(getattr(origin, "__name__", str(origin)))


def _any(name: str, value: Any) -> Any:
    checks.check_array(name, value)
    if isinstance(value, str) and not value.strip():
        raise ValueError(f"{name}: expected a value, got {value!r}; leave it out or fill it in")
    return value


def _flag(name: str, value: Any) -> bool:
    return checks.check_flag(name, value)


def _text(name: str, value: Any) -> str:
    return checks.check_text(name, value)


def _path(name: str, value: Any) -> Any:
    path = checks.check_path(name, value)
    if not str(value).startswith("~"):
        return value
    return str(path) if isinstance(value, str) else path


def _device(name: str, value: Any) -> Any:
    """Take what `torch.device` takes, and ``"auto"``."""
    if isinstance(value, torch.device) or (isinstance(value, str) and value == "auto"):
        return value
    try:
        torch.device(checks.check_text(name, value))
    except RuntimeError:
        raise ValueError(
            f"{name}: expected a device, got {checks.shown(value)}; pass 'cpu', 'cuda' or 'cuda:1'"
        ) from None
    return value


def _long(length: Length, rule: Rule, name: str, value: Any) -> Any:
    converted = rule(name, value)
    above = length.high is not None and len(converted) > length.high
    if len(converted) < length.low or above:
        raise ValueError(
            f"{name}: expected {length.form}, got {checks.shown(value)}; "
            f"pass a sequence of {length.low}{' or more' * (length.high is None)}"
        )
    return converted


def _whole(bounds: Bounds, name: str, value: Any) -> int:
    limit = checks.LARGEST
    low = -limit if bounds.low == float("-inf") else int(bounds.low)
    high = limit if bounds.high == float("inf") else int(bounds.high)
    return checks.check_count(name, value, low=low, high=high)


def _number(bounds: Bounds, name: str, value: Any) -> float:
    return checks.check_number(
        name,
        value,
        low=bounds.low,
        high=bounds.high,
        open_low=bounds.open_low,
        open_high=bounds.open_high,
    )


def _choice(allowed: tuple[Any, ...], name: str, value: Any) -> Any:
    if isinstance(value, str) and value in allowed:
        return value
    if not all(isinstance(choice, str) for choice in allowed):
        return value
    return checks.check_choice(name, value, allowed)


def _callable(name: str, value: Any) -> Any:
    if not callable(value):
        raise TypeError(
            f"{name}: expected a callable, got {checks.shown(value)}; pass a function or a module"
        )
    return value


def _instance(cls: type, name: str, value: Any) -> Any:
    checks.check_array(name, value)
    if not isinstance(value, cls):
        raise TypeError(
            f"{name}: expected {_article(cls.__name__)}, got {checks.shown(value)}; "
            f"pass an object of this class"
        )
    return value


def _article(noun: str) -> str:
    # "ndarray" begins with the sound of a vowel.
    return f"{'an' if noun[:1] in 'AEIOU' or noun == 'ndarray' else 'a'} {noun}"


def _generic(origin: type, arguments: tuple[Any, ...]) -> Rule:
    """Return the rule of a container."""
    if issubclass(origin, Mapping):
        inner = rule_of(arguments[1]) if len(arguments) == 2 else _any
        return functools.partial(_mapping, inner)
    if origin is type:
        return functools.partial(_instance, type)
    if origin is tuple and arguments[-1:] != (...,):
        return functools.partial(_fixed, [rule_of(part) for part in arguments])
    if origin in (tuple, list, Sequence, Collection):
        return functools.partial(_sequence, origin, _element_rule(arguments))
    if origin is Iterable:
        return _iterable
    return functools.partial(_instance, origin)


def _element_rule(arguments: tuple[Any, ...]) -> Rule:
    """Return the rule of each element; a text in a sequence, such as a title, may be empty."""
    if not arguments:
        return _any
    return functools.partial(_instance, str) if arguments[0] is str else rule_of(arguments[0])


def _elements(name: str, value: Any) -> list[Any]:
    """Return the elements of a sequence that is not a text."""
    checks.check_array(name, value)
    if getattr(value, "ndim", 0):
        return list(value.tolist())
    is_number = getattr(value, "shape", None) == ()
    if is_number or isinstance(value, str | bytes | Mapping) or not isinstance(value, Collection):
        raise checks.refusal(name, "a sequence", cast(object, value), "a list or a tuple")
    return list(cast(Collection[Any], value))


def _sequence(origin: type, rule: Rule, name: str, value: Any) -> Any:
    elements = _elements(name, value)
    converted = [rule(name, element) for element in elements]
    if all(new is old for new, old in zip(converted, elements, strict=True)) and (
        isinstance(value, origin)
    ):
        return value
    return (
        converted
        if origin is list or (isinstance(value, list) and origin is not tuple)
        else (tuple(converted))
    )


def _fixed(rules: list[Rule], name: str, value: Any) -> Any:
    elements = _elements(name, value)
    if len(elements) != len(rules):
        raise checks.refusal(name, f"{len(rules)} values", value, f"a tuple of {len(rules)}")
    converted = [rule(name, element) for rule, element in zip(rules, elements, strict=True)]
    unchanged = all(new is old for new, old in zip(converted, elements, strict=True))
    return cast(Any, value) if unchanged and isinstance(value, tuple) else tuple(converted)


def _mapping(rule: Rule, name: str, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(
            f"{name}: expected a mapping, got {checks.shown(value)}; pass a dict by name"
        )
    given = cast(Mapping[Any, Any], value)
    converted = {key: rule(name, element) for key, element in given.items()}
    return cast(Any, value) if all(converted[key] is given[key] for key in given) else converted


def _iterable(name: str, value: Any) -> Any:
    checks.check_array(name, value)
    if not isinstance(value, Iterable):
        raise checks.refusal(name, "an iterable", value, "a list or a tuple")
    return cast(Iterable[Any], value)


_PLAIN: dict[type, Rule] = {
    bool: _flag,
    int: functools.partial(_whole, Bounds()),
    float: functools.partial(_number, Bounds()),
    str: _text,
    Path: _path,
}
