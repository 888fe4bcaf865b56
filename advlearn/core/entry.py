"""Entries of the registry: the names that a spec may use, and those that a file defines."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Literal, cast, final

from advlearn.core.chain import Chain
from advlearn.core.described import Described, Reference
from advlearn.core.naming import snake
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer

Kind = Literal["objective", "regularizer", "alias"]


@final
@dataclass(frozen=True, slots=True)
class Entry:
    """A name that a spec may use.

    Args:
        name: The name as documented, for example ``"wgan-gp"``.
        kind: Whether it names a class or an alias.
        make: Callable without arguments, or with the keywords it documents.
        reference: Where it was published; None for an object without a reference.
        module: Name of the module that defines it.
    """

    name: str
    kind: Kind
    make: Callable[..., Described | Chain]
    reference: Reference | None
    module: str


def entry_of(thing: Any, name: str | None = None, reference: Reference | None = None) -> Entry:
    """Return the entry of an objective class, a regularizer class or a function.

    Args:
        thing: The class, or a function that returns a chain.
        name: The name; by default the class name in snake case, or the function's with hyphens.
        reference: The reference where `thing` has no ``REFERENCE``.
    """
    if isinstance(thing, type):
        bases = inspect.getmro(thing)
        kind: Kind = "objective" if Objective in bases else "regularizer"
        default = snake(thing.__name__)
    else:
        kind, default = "alias", cast(str, thing.__name__).replace("_", "-")
    own = getattr(thing, "REFERENCE", reference)
    return Entry(name or default, kind, thing, own, thing.__module__)


def entries_of(module: ModuleType) -> Iterator[Entry]:
    """Yield the entries of a file: its final classes, then its ``ALIASES``."""
    where, reference = module.__name__, cast(Reference, module.REFERENCE)
    for _, cls in inspect.getmembers(module, inspect.isclass):
        defined_here = cls.__module__ == where and not inspect.isabstract(cls)
        if defined_here and issubclass(cls, Objective | Regularizer):
            yield entry_of(cls, None, reference)
    named: dict[str, Callable[..., Any]] = getattr(module, "ALIASES", {})
    for name, make in named.items():
        yield Entry(name, "alias", make, getattr(make, "REFERENCE", reference), where)
