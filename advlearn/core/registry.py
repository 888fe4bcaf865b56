"""Registry of everything that has a name: the library's files, `register` and entry points.

A file in ``advlearn/objectives`` or ``advlearn/regularizers`` with a final class, a ``REFERENCE``
and, where it has other names, an ``ALIASES`` dict is found; so are the ``TASK`` of a file in
``advlearn/tasks`` and the ``METHODS`` of a file in ``advlearn/methods``. Other packages add theirs
with `register` or with entry points. A file that cannot be imported costs its own name only.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# (objects of other packages are of any type)

import inspect
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, partial
from types import ModuleType
from typing import Any, Literal, cast, final

from advlearn.core.chain import Chain
from advlearn.core.described import Described, Reference
from advlearn.core.method import Method
from advlearn.core.naming import UnknownNameError, key, snake
from advlearn.core.objective import Objective
from advlearn.core.plugins import Broken, entry_points, files
from advlearn.core.regularizer import Regularizer
from advlearn.core.task import Task

Kind = Literal["objective", "regularizer", "alias"]
PACKAGES = ("advlearn.objectives", "advlearn.regularizers")
TASKS, METHODS = "advlearn.tasks", "advlearn.methods"
GROUPS = ("objectives", "regularizers", "tasks", "networks", "methods")


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


@final
@dataclass(slots=True)
class _Added:
    """What other packages have registered, by kind and name."""

    entries: dict[str, Entry]
    tasks: dict[str, type[Task]]
    methods: dict[str, Method]
    networks: dict[str, Any]
    broken: dict[str, Broken]
    entry_points_read: bool = False

    def names(self) -> set[str]:
        """Return every registered name, in the form in which names are compared."""
        every = (*self.entries, *self.tasks, *self.methods, *self.networks)
        return {key(name) for name in every}


_added = _Added({}, {}, {}, {}, {})


def register(thing: Any = None, /, *, name: str | None = None) -> Any:
    """Give an object of another package a name in specs, the command line, lists and saved runs.

    Use it as a decorator, with or without a name, or as a function.

    Args:
        thing: An `Objective`, `Regularizer` or `Task` class, a `Method`, an
            `advlearn.nets.Architecture`, a `Network` class, or a function that returns a `Chain`.
        name: The name; by default the class name in snake case, the function's or method's name.

    Returns:
        `thing` itself, or a decorator if only a name is given.

    Raises:
        TypeError: If `thing` is of no kind that has names.
        ValueError: If another object has the name.

    Example:
        >>> from advlearn import register, resolve
        >>> from advlearn.objectives import Hinge
        >>> @register(name="my-hinge")
        ... def my_hinge():
        ...     return Hinge() + resolve("r1(weight=0.1)")
        >>> resolve("my-hinge")
        Hinge() + R1(weight=0.1, every=1, estimate='exact', share=1.0)
    """
    if thing is None:
        return partial(register, name=name)
    _read_entry_points()
    _add(thing, name)
    return thing


def _add(thing: Any, name: str | None) -> None:
    if isinstance(thing, type) and issubclass(thing, Objective | Regularizer):
        kind: Kind = "objective" if issubclass(thing, Objective) else "regularizer"
        chosen = name or snake(thing.__name__)
        entry = Entry(chosen, kind, thing, getattr(thing, "REFERENCE", None), thing.__module__)
        _refuse_clash(chosen, thing, entries().get(chosen.lower()))
        _added.entries[chosen.lower()] = entry
        entries.cache_clear()
    elif isinstance(thing, type) and issubclass(thing, Task):
        chosen = name or snake(thing.__name__)
        _refuse_clash(chosen, thing, tasks().get(chosen))
        _added.tasks[chosen] = thing
    elif isinstance(thing, Method):
        chosen = name or thing.name
        _refuse_clash(chosen, thing, methods().get(chosen))
        _added.methods[chosen] = thing
    elif getattr(thing, "KIND", None) == "network":
        chosen = name or getattr(thing, "__name__", "")
        if not chosen:
            raise ValueError("name: expected the name of the architecture, got None")
        _refuse_clash(chosen, thing, _added.networks.get(chosen))
        _added.networks[chosen] = thing
    elif inspect.isfunction(thing):
        chosen = name or thing.__name__.replace("_", "-")
        reference = getattr(thing, "REFERENCE", None)
        _refuse_clash(chosen, thing, entries().get(chosen.lower()))
        _added.entries[chosen.lower()] = Entry(chosen, "alias", thing, reference, thing.__module__)
        entries.cache_clear()
    else:
        raise TypeError(
            "register: expected an Objective, Regularizer, Task or Network class, a Method, an "
            f"Architecture or a function that returns a chain, got {thing!r}"
        )


def _refuse_clash(name: str, thing: Any, holder: Any) -> None:
    """Raise unless the name is free, or the same definition is registered again."""
    held = holder.make if isinstance(holder, Entry) else holder
    if held is None or held is thing:
        return
    place = [(getattr(x, "__module__", ""), getattr(x, "__qualname__", "")) for x in (held, thing)]
    if place[0] != place[1] or not place[0][1]:
        raise ValueError(f"name: {name!r} is taken by {held!r}; choose another with name=")


@contextmanager
def using(objects: Mapping[str, Any] | None) -> Generator[None]:
    """Know these objects by the given names for the length of a block, as `advlearn.load` does."""
    before = dict(_added.entries), dict(_added.tasks), dict(_added.networks)
    try:
        for name, thing in (objects or {}).items():
            known = entries().get(name.lower()) or tasks().get(name)
            if known is None:
                _add(thing, name)
        yield
    finally:
        _added.entries, _added.tasks, _added.networks = before
        entries.cache_clear()


@cache
def entries() -> dict[str, Entry]:
    """Return every name of an objective, a regularizer or an alias, by its lower-case form."""
    _read_entry_points()
    known: dict[str, Entry] = {}
    for package in PACKAGES:
        for module in files(package)[0]:
            for entry in _entries_of(module):
                holder = known.setdefault(entry.name.lower(), entry)
                if holder is not entry and holder.module != entry.module:
                    raise RuntimeError(
                        f"{entry.module}: the name {entry.name!r} is taken by {holder.module}"
                    )
                # A class and an alias of one name in one file are one; the alias has the defaults.
                known[entry.name.lower()] = entry
    return {**known, **_added.entries}


def lookup(name: str) -> Entry:
    """Return the entry called `name`.

    Raises:
        UnknownNameError: If there is none; near names are suggested.
        ValueError: If the name is ambiguous, or its file cannot be imported.
    """
    exact = entries().get(name.lower())
    if exact is not None:
        return exact
    # "lsgan" (least squares) and "ls-gan" (loss-sensitive) differ in a hyphen only: then it counts.
    near = [e for e in entries().values() if key(e.name) == key(name)]
    if len(near) > 1 and len({e.module for e in near}) == 1:
        # A class and its alias: the printed form of the class means the class.
        written_as_class = [e for e in near if getattr(e.make, "__name__", "") == name]
        near = written_as_class or [e for e in near if e.kind == "alias"]
    if len(near) == 1:
        return near[0]
    if near:
        names = " or ".join(repr(e.name) for e in near)
        raise ValueError(f"objective: {name!r} is ambiguous, expected {names}")
    _raise_if_broken(name)
    raise UnknownNameError(name, sorted(e.name for e in entries().values()))


def _raise_if_broken(name: str) -> None:
    for problem in broken():
        if key(problem.name) == key(name):
            raise ValueError(f"{problem.name}: {problem.module} cannot be used: {problem.reason}")


def broken() -> list[Broken]:
    """Return the files and entry points that could not be used, with the reason."""
    _read_entry_points()
    packages = (*PACKAGES, TASKS, METHODS)
    return [*(b for package in packages for b in files(package)[1]), *_added.broken.values()]


def classes(base: type[Described]) -> list[type[Described]]:
    """Return all final classes of one kind, for tests that cross over them."""
    makes = (cast(object, e.make) for e in entries().values())
    return sorted(
        (m for m in makes if isinstance(m, type) and issubclass(m, base)),
        key=lambda c: (c.__module__, c.__name__),
    )


def aliases() -> list[Entry]:
    """Return all aliases, sorted by name."""
    return sorted((e for e in entries().values() if e.kind == "alias"), key=lambda e: e.name)


def tasks() -> dict[str, type[Task]]:
    """Return every task by name: the ``TASK`` of each file, and what is registered."""
    _read_entry_points()
    own = {module.__name__.rpartition(".")[2]: module.TASK for module in files(TASKS)[0]}
    return {**own, **_added.tasks}


def task_name(cls: type[Task]) -> str:
    """Return the name of a task class: its registered name, or its class name in snake case."""
    named = (name for name, known in tasks().items() if known is cls)
    return next(named, snake(cls.__name__))


def find_task(name: str) -> type[Task] | None:
    """Return the task called `name`, or None; raises if its file cannot be imported."""
    known = {key(n): cls for n, cls in tasks().items()}
    if key(name) not in known:
        _raise_if_broken(name)
    return known.get(key(name))


def methods() -> dict[str, Method]:
    """Return every published method by name: rows of ``advlearn/methods``, and registered ones."""
    _read_entry_points()
    rows = {row.name: row for module in files(METHODS)[0] for row in module.METHODS}
    return {**rows, **_added.methods}


def networks() -> dict[str, Any]:
    """Return the registered architectures and network classes by name."""
    _read_entry_points()
    return dict(_added.networks)


def _entries_of(module: ModuleType) -> Iterator[Entry]:
    where, reference = module.__name__, cast(Reference, module.REFERENCE)
    for name, cls in inspect.getmembers(module, inspect.isclass):
        own = cls.__module__ == where and not inspect.isabstract(cls)
        if own and issubclass(cls, Objective | Regularizer):
            kind: Kind = "objective" if issubclass(cls, Objective) else "regularizer"
            yield Entry(snake(name), kind, cls, getattr(cls, "REFERENCE", reference), where)
    named: dict[str, Callable[..., Any]] = getattr(module, "ALIASES", {})
    for name, make in named.items():
        yield Entry(name, "alias", make, getattr(make, "REFERENCE", reference), where)


def _read_entry_points() -> None:
    """Register what installed packages offer, once; a failing one is kept with its reason."""
    if _added.entry_points_read:
        return
    _added.entry_points_read = True
    for group in GROUPS:
        for point in entry_points(f"advlearn.{group}"):
            try:
                _add(point.load(), point.name)
            except Exception as error:  # whatever the package raises concerns its own name only
                problem = Broken(point.name, point.value, f"{type(error).__name__}: {error}")
                _added.broken[point.name] = problem
