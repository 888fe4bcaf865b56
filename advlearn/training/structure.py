"""Check the structure of a file's content before it is used."""

from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from torch import Tensor

from advlearn.core.files import RefusedFileError

ERRORS: Final = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
)
"""Errors that values of a wrong kind or size cause in Python and torch, besides ValueError."""

MOST_STEPS: Final = 10**9
"""A step counter must be smaller than this."""


@final
@dataclass(frozen=True, slots=True)
class Count:
    """An int from 0 to below `MOST_STEPS`."""


@final
@dataclass(frozen=True, slots=True)
class Every:
    """A list, or a dict with names as keys, whose values all have one structure.

    Args:
        structure: Structure of each value.
    """

    structure: Any


@final
@dataclass(frozen=True, slots=True)
class Maybe:
    """None, or a value of a structure.

    Args:
        structure: Structure of the value.
    """

    structure: Any


@final
@dataclass(frozen=True, slots=True)
class Row:
    """A list or tuple with one structure for each place.

    Args:
        structures: Structures of the values.
    """

    structures: tuple[Any, ...]


STATE: Final = Every((Tensor, int, float, str, dict, list, tuple))
"""The state of a module: values by name."""

RECIPE: Final = {
    "task": Maybe(str),
    "parts": Maybe(dict),
    "objective": str,
    "settings": dict,
}
"""The plain values from which `load` builds a run."""

TRAINER: Final = {
    "step": Count(),
    "task": STATE,
    "adversaries": Every(STATE),
    "optimizer": {"state": dict, "param_groups": list},
    "game": object,
    "data": object,
    "callbacks": Every(Row((str, dict))),
}
"""The state of a `Trainer`."""

TRAINED: Final = {"task": STATE, "ema_model": Maybe(STATE), "adversaries": Every(STATE)}
"""The weights that `Run.save` writes."""


def check(content: Any, structure: Any, path: Path) -> None:
    """Compare the content of a file with the structure that its reader needs.

    Args:
        content: The content of the file.
        structure: A type or several; a dict of names and their structures, where the content may
            have further names; `Count`, `Every`, `Row` or `Maybe`.
        path: The file, for the message.

    Raises:
        RefusedFileError: A value is missing or of another kind; the message names it.

    Example:
        >>> check({"step": 3, "note": "x"}, {"step": Count()}, Path("run.pt"))
        >>> check({"step": -5}, {"step": Count()}, Path("run.pt"))
        Traceback (most recent call last):
        ...
        advlearn.core.files.RefusedFileError: checkpoint: expected step to be an int from 0 to \
999999999, got -5 in run.pt; restore a copy of the file
    """
    for where, expected, got in _faults(content, structure, ""):
        raise RefusedFileError(
            f"checkpoint: expected {where or 'the content'} to be {expected}, got {got} in "
            f"{path}; restore a copy of the file"
        )


@contextmanager
def refusing(path: Path) -> Generator[None]:
    """Turn errors of Python and torch that a file's values cause into one line about the file.

    A ValueError passes, since it already names the argument.

    Args:
        path: The file.

    Raises:
        RefusedFileError: The block raised an error of another kind.
    """
    try:
        yield
    except ERRORS as error:
        raise RefusedFileError(
            f"checkpoint: expected a file that this version of advlearn can use, got {path}, "
            f"whose values do not fit together ({type(error).__name__}); restore a copy of the "
            "file, or load it with the version that wrote it"
        ) from error


def _faults(value: Any, structure: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """Yield the place, the expectation and the value of each fault."""
    if isinstance(structure, Maybe):
        if value is not None:
            yield from _faults(value, structure.structure, where)
    elif isinstance(structure, Count):
        if type(value) is not int or not 0 <= value < MOST_STEPS:
            yield where, f"an int from 0 to {MOST_STEPS - 1}", _shown(value)
    elif isinstance(structure, Row):
        length = len(structure.structures)
        if not isinstance(value, list | tuple) or len(value) != length:
            yield where, f"a list of {length}", _shown(value)
            return
        for i, (part, kind) in enumerate(zip(value, structure.structures, strict=True)):
            yield from _faults(part, kind, f"{where}[{i}]")
    elif isinstance(structure, dict):
        yield from _faults_by_name(value, structure, where)
    elif isinstance(structure, Every):
        named = isinstance(value, Mapping) and all(type(name) is str for name in value)
        if not named and not isinstance(value, list):
            yield where, "a list, or a dict with names", _shown(value)
            return
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for name, part in pairs:
            yield from _faults(part, structure.structure, f"{where}[{name!r}]")
    elif not isinstance(value, structure) or (structure is int and isinstance(value, bool)):
        kinds = structure if isinstance(structure, tuple) else (structure,)
        yield where, " or ".join(kind.__name__ for kind in kinds), _shown(value)


def _faults_by_name(
    value: Any, structure: dict[str, Any], where: str
) -> Iterator[tuple[str, str, str]]:
    if not isinstance(value, Mapping):
        yield where, f"a dict with {', '.join(structure)}", _shown(value)
        return
    for name, part in structure.items():
        place = f"{where}.{name}" if where else name
        if name not in value:
            yield place, "present", "a file without it"
        else:
            yield from _faults(value[name], part, place)


def _shown(value: Any) -> str:
    """Return a short text of a value."""
    if value is None or type(value) in (bool, int, float, str):
        text = repr(value) if not isinstance(value, int) or abs(value) < 10**20 else "a large int"
        return text if len(text) <= 40 else f"{text[:37]}..."
    return type(value).__name__
