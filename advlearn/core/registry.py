"""What there is: objectives and regularizers, found by walking their packages.

There is no list to edit and nothing to register: a file in ``advlearn/objectives`` or
``advlearn/regularizers`` with a final class, a ``REFERENCE`` and, if it has names people type, an
``ALIASES`` dict, is found.
"""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import Any, Literal, cast, final

from advlearn.core.chain import Chain
from advlearn.core.described import Described, Reference
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.task import Task

Kind = Literal["objective", "regularizer", "alias"]
PACKAGES = ("advlearn.objectives", "advlearn.regularizers")
TASKS = "advlearn.tasks"
FEW = 12
"""A message about an unknown name shows all known names up to this many."""


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A name that a string may use.

    Args:
        name: The name as documented, for example ``"wgan-gp"``.
        kind: Whether it names a class or an alias.
        make: Callable without arguments, or with the keywords it documents.
        reference: Where it was published.
        module: The file it stands in, as a module name.
    """

    name: str
    kind: Kind
    make: Callable[..., Described | Chain]
    reference: Reference
    module: str


def key(name: str) -> str:
    """The form in which names are compared: case, hyphens and underscores do not count unless they must."""
    return re.sub(r"[-_]", "", name).lower()


def snake(name: str) -> str:
    """The documented name of a class: ``SpectralNorm`` is ``spectral_norm``, ``FDivergence`` ``f_divergence``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


@cache
def entries() -> dict[str, Entry]:
    """Every name there is, in lower case."""
    found: dict[str, Entry] = {}
    for package in PACKAGES:
        for entry in _walk(package):
            other = found.setdefault(entry.name.lower(), entry)
            if other is not entry:
                # A class and an alias of one name in one file are the same thing: the alias brings
                # its defaults.
                if other.module != entry.module:
                    raise RuntimeError(
                        f"{entry.module}: the name {entry.name!r} is taken by {other.module}"
                    )
                found[entry.name.lower()] = entry
    return found


@final
class UnknownNameError(ValueError):
    """A name that nothing has.

    Args:
        name: The name.
        known: What it could have been.
    """

    def __init__(self, name: str, known: list[str]) -> None:
        super().__init__(f"objective: {unknown('name', name, known)}")
        self.name, self.known = name, known


def lookup(name: str) -> Entry:
    """The entry called `name`, or one line that suggests near ones."""
    exact = entries().get(name.lower())
    if exact is not None:
        return exact
    # "lsgan" (least squares) and "ls-gan" (loss-sensitive) differ in a hyphen alone: then it
    # counts.
    loose = [e for e in entries().values() if key(e.name) == key(name)]
    if len(loose) == 1:
        return loose[0]
    if loose:
        raise ValueError(
            f"objective: {name!r} may be {' or '.join(repr(e.name) for e in loose)}; say which"
        )
    raise UnknownNameError(name, sorted(e.name for e in entries().values()))


def unknown(what: str, name: str, known: list[str]) -> str:
    """Write the message for an unknown name: the nearest names, or all of a few."""
    near = get_close_matches(name, known, n=3, cutoff=0.6)
    few = f"known: {', '.join(known) or 'none'}" if len(known) <= FEW else "see `advlearn list`"
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else few
    return f"unknown {what} {name!r}; {hint}"


def classes(base: type[Described]) -> list[type[Described]]:
    """All final classes of one kind, for tests that cross over them."""
    made = (cast(object, e.make) for e in entries().values())
    return sorted(
        (m for m in made if isinstance(m, type) and issubclass(m, base)),
        key=lambda c: (c.__module__, c.__name__),
    )


def aliases() -> list[Entry]:
    """All aliases, sorted by name."""
    return sorted((e for e in entries().values() if e.kind == "alias"), key=lambda e: e.name)


def _walk(package: str) -> list[Entry]:
    root = importlib.import_module(package)
    names = (
        info.name for info in pkgutil.iter_modules(root.__path__) if not info.name.startswith("_")
    )
    return [
        entry
        for name in names
        for entry in _entries_of(importlib.import_module(f"{package}.{name}"))
    ]


def _entries_of(module: ModuleType) -> list[Entry]:
    where = module.__name__
    found: list[Entry] = []
    reference = cast(Reference, module.REFERENCE)
    for name, cls in inspect.getmembers(module, inspect.isclass):
        if (
            cls.__module__ != where
            or inspect.isabstract(cls)
            or not issubclass(cls, Objective | Regularizer)
        ):
            continue
        kind: Kind = "objective" if issubclass(cls, Objective) else "regularizer"
        found.append(Entry(snake(name), kind, cls, getattr(cls, "REFERENCE", reference), where))
    named: dict[str, Callable[..., Any]] = getattr(module, "ALIASES", {})
    for name, make in named.items():
        found.append(Entry(name, "alias", make, getattr(make, "REFERENCE", reference), where))
    return found


def tasks() -> dict[str, type[Task]]:
    """Every task, by the name of its file: each names its class ``TASK``."""
    root = importlib.import_module(TASKS)
    names = sorted(
        info.name for info in pkgutil.iter_modules(root.__path__) if not info.name.startswith("_")
    )
    return {
        name: cast(type[Task], importlib.import_module(f"{TASKS}.{name}").TASK) for name in names
    }
