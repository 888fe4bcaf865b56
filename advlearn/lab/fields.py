"""Fields of messages: what a value from the page may be, and the one line that refuses it."""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, final

QUOTED = 60
"""Longest part of a refused value that a message quotes."""


def short(value: Any) -> str:
    """Return a value as one short line for a message.

    Example:
        >>> short("a" * 100)[-5:]
        'a ...'
    """
    text = repr(value[:QUOTED] if isinstance(value, str | list) else value)
    text = re.sub(r"[^\x20-\x7e]", "?", text)
    return text if len(text) <= QUOTED else f"{text[: QUOTED - 4]} ..."


def refuse(name: str, expected: str, value: Any) -> ValueError:
    """Return the error that refuses a value."""
    return ValueError(f"{name}: expected {expected}, got {short(value)}")


class Field(ABC):
    """Check and copy one value of a message.

    Attributes:
        default: The value where a message gives none; `REQUIRED` if it must give one.
    """

    default: Any

    @abstractmethod
    def read(self, name: str, value: Any) -> Any:
        """Return the value, or raise a ValueError that names it."""


REQUIRED: Any = object()


@final
@dataclass(frozen=True)
class Number(Field):
    """A finite number in a range.

    Args:
        low: Smallest value.
        high: Largest value.
        default: Default value.
        whole: Whether it must be an integer.
    """

    low: float
    high: float
    default: Any = REQUIRED
    whole: bool = False

    def read(self, name: str, value: Any) -> Any:
        kind = "a whole number" if self.whole else "a number"
        expected = f"{kind} from {self.low:g} to {self.high:g}"
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise refuse(name, expected, value)
        # An integer with hundreds of digits cannot be converted to a float.
        if not self.low <= value <= self.high or not math.isfinite(value):
            raise refuse(name, expected, value if isinstance(value, float) else "another")
        if self.whole and value != int(value):
            raise refuse(name, expected, value)
        return int(value) if self.whole else float(value)


@final
@dataclass(frozen=True)
class Choice(Field):
    """One of several names.

    Args:
        options: The names.
        default: Default name.
    """

    options: tuple[str, ...]
    default: Any = REQUIRED

    def read(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.options:
            raise refuse(name, f"one of {', '.join(self.options)}", value)
        return value


@final
@dataclass(frozen=True)
class Text(Field):
    """A string of printable characters.

    Args:
        longest: Largest number of characters.
        default: Default string.
    """

    longest: int
    default: Any = REQUIRED

    def read(self, name: str, value: Any) -> str:
        expected = f"at most {self.longest} printable characters"
        if not isinstance(value, str) or len(value) > self.longest or not value.isascii():
            raise refuse(name, expected, value)
        if value and not value.isprintable():
            raise refuse(name, expected, value)
        return value


@final
@dataclass(frozen=True)
class Sequence(Field):
    """A list of values of one field.

    Args:
        item: Field of each value.
        fewest: Smallest length.
        most: Largest length.
        default: Default list.
    """

    item: Field
    fewest: int
    most: int
    default: Any = REQUIRED

    def read(self, name: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise refuse(name, f"a list of {self.fewest} to {self.most} values", value)
        values = cast(list[Any], value)
        if not self.fewest <= len(values) <= self.most:
            raise refuse(name, f"a list of {self.fewest} to {self.most} values", len(values))
        return [self.item.read(f"{name}[{k}]", item) for k, item in enumerate(values)]


@final
@dataclass(frozen=True)
class Record(Field):
    """An object with known keys; missing ones take their defaults.

    Args:
        fields: Field of each key.
    """

    fields: Mapping[str, Field]
    default: Any = field(default_factory=dict)

    def read(self, name: str, value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise refuse(name, "an object", value)
        given = cast(dict[str, Any], value)
        for key in given:
            if key not in self.fields:
                raise refuse(name, f"keys among {', '.join(self.fields)}", key)
        return {key: self._value(f"{name}.{key}", key, given) for key in self.fields}

    def _value(self, name: str, key: str, given: dict[str, Any]) -> Any:
        own = self.fields[key]
        if key in given:
            return own.read(name, given[key])
        if own.default is REQUIRED:
            raise ValueError(f"{name}: expected a value, got none")
        return own.read(name, own.default)
