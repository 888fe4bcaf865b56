"""Registry of named objects: the library's files, `register` and entry points.

A file in ``advlearn/objectives`` or ``advlearn/regularizers`` with a final class, a ``REFERENCE``
and, where it has other names, an ``ALIASES`` dict is found; so are the ``TASK`` of a file in
``advlearn/tasks``, the ``METHODS`` of a file in ``advlearn/methods`` and the class of a file in
``advlearn/games``. Other packages add theirs with `register` or with entry points. A file that
cannot be imported loses only its own name.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false
# (objects of other packages are of any type)

import importlib
import inspect
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, Literal, cast, final

from advlearn.core.arguments import checked
from advlearn.core.described import Described
from advlearn.core.entry import Entry, entries_of, entry_of
from advlearn.core.method import Method
from advlearn.core.naming import UnknownNameError, key, snake
from advlearn.core.objective import Objective
from advlearn.core.plugins import Broken, entry_points, files
from advlearn.core.regularizer import Regularizer
from advlearn.core.task import Task

PACKAGES = ("advlearn.objectives", "advlearn.regularizers")
TASKS, METHODS, GAMES = "advlearn.tasks", "advlearn.methods", "advlearn.games"
# The networks package is above this one, so it is loaded by name.
NETWORKS = "advlearn.nets.architecture"
GROUPS = ("objectives", "regularizers", "tasks", "networks", "methods", "games")
# Kinds within which a name is unique; a chain and a regularizer are specs like an objective.
Kind = Literal["objective", "task", "method", "network", "game"]


@final
@dataclass(slots=True)
class _Added:
    """Hold what other packages have registered, by kind and name.

    Args:
        objects: The objects of each kind, by name; entries by their lower-case name.
        aliases: The name that each alias stands for, by kind and alias.
        broken: Entry points that could not be used, by name.
        entry_points_read: Whether the entry points of installed packages have been read.
    """

    objects: dict[Kind, dict[str, Any]]
    aliases: dict[Kind, dict[str, str]]
    broken: dict[str, Broken]
    entry_points_read: bool = False


_KINDS: tuple[Kind, ...] = ("objective", "task", "method", "network", "game")
_added = _Added({kind: {} for kind in _KINDS}, {kind: {} for kind in _KINDS}, {})


@checked
def register(
    thing: Any = None, /, *, name: str | None = None, aliases: tuple[str, ...] = ()
) -> Any:
    """Give an object of another package a name in specs, the command line, lists and saved runs.

    Use it as a decorator, with or without a name, or as a function.

    Args:
        thing: An `Objective`, `Regularizer`, `Task` or `Game` class, a `Method`, an
            `advlearn.nets.Architecture`, a `Network` class, or a function that returns a `Chain`.
        name: The name; by default the class name in snake case, the function's or method's name.
        aliases: Further names of the same object.

    Returns:
        `thing` itself, or a decorator if `thing` is not given.

    Raises:
        TypeError: If `thing` is not one of these objects.
        ValueError: If another object has the name or one of the aliases.

    Example:
        >>> from advlearn import register, resolve
        >>> from advlearn.objectives import Hinge
        >>> @register(name="my-hinge", aliases=("soft-margin",))
        ... def my_hinge():
        ...     return Hinge() + resolve("r1(weight=0.1)")
        >>> resolve("my-hinge") == resolve("soft-margin")
        True
    """
    if thing is None:
        return partial(register, name=name, aliases=aliases)
    _read_entry_points()
    _add(thing, name, aliases)
    return thing


def _add(thing: Any, name: str | None, aliases: tuple[str, ...] = ()) -> None:
    """Store an object under its name and its aliases, if all of them are free."""
    kind, stored, name = _identify(thing, name)
    _check_aliases(kind, name, aliases)
    if isinstance(stored, Method):
        stored = replace(stored, name=name, aliases=(*stored.aliases, *aliases))
    slot = name.lower() if kind == "objective" else name
    _refuse_clash(kind, name, stored, names(kind).get(slot))
    _added.objects[kind][slot] = stored
    _added.aliases[kind] |= dict.fromkeys(aliases, name)
    entries.cache_clear()


def _identify(thing: Any, name: str | None) -> tuple[Kind, Any, str]:
    """Return the kind of an object, what the registry stores for it, and its name."""
    bases = inspect.getmro(thing) if isinstance(thing, type) else ()
    if {Objective, Regularizer} & {*bases} or inspect.isfunction(thing):
        entry = entry_of(thing, name)
        return "objective", entry, entry.name
    if Task in bases:
        return "task", thing, name or snake(thing.__name__)
    if isinstance(thing, Method):
        return "method", thing, name or thing.name
    # The base class of games builds on the adversary, which builds on this module.
    if getattr(thing, "KIND", None) == "game":
        return "game", thing, name or snake(thing.__name__)
    if getattr(thing, "KIND", None) != "network":
        raise TypeError(
            "register: expected an Objective, Regularizer, Task, Game or Network class, a Method, "
            f"an Architecture or a function that returns a chain, got {thing!r}"
        )
    chosen = name or getattr(thing, "__name__", "")
    if not chosen:
        raise ValueError("name: expected the name of the architecture, got None")
    return "network", thing, chosen


def names(kind: Kind) -> Mapping[str, Any]:
    """Return every object of a kind by name, without aliases that were registered."""
    if kind == "objective":
        return entries()
    if kind == "network":
        known = importlib.import_module(NETWORKS)
        return {**known.networks(), **known.architectures()}
    if kind == "game":
        return games()
    return tasks() if kind == "task" else methods()


def canonical(kind: Kind, name: str) -> str:
    """Return the name that a registered alias stands for; any other name unchanged."""
    _read_entry_points()
    known = {key(alias): target for alias, target in _added.aliases[kind].items()}
    return known.get(key(name), name)


def aliases_of(kind: Kind, name: str) -> tuple[str, ...]:
    """Return the aliases with which an object was registered."""
    return tuple(alias for alias, target in _added.aliases[kind].items() if target == name)


def _refuse_clash(kind: Kind, name: str, stored: Any, holder: Any) -> None:
    """Raise unless the name is free, or the same definition is registered again."""
    target = canonical(kind, name)
    if target != name:
        raise ValueError(f"name: {name!r} is an alias of {target!r}; choose another with name=")
    if holder is None or holder == stored:
        return
    held, new = (x.make if isinstance(x, Entry) else x for x in (holder, stored))
    place = [(getattr(x, "__module__", ""), getattr(x, "__qualname__", "")) for x in (held, new)]
    if place[0] != place[1] or not place[0][1]:
        raise ValueError(f"name: {name!r} is taken by {held!r}; choose another with name=")


def _check_aliases(kind: Kind, name: str, aliases: tuple[str, ...]) -> None:
    """Raise unless each alias is free or belongs to `name` already."""
    if isinstance(cast(object, aliases), str):
        raise ValueError(
            f"aliases: expected a tuple of names, got {aliases!r}; write ({aliases!r},)"
        )
    taken = {key(other): other for other in names(kind)}
    if kind == "method":
        taken |= {key(other): row.name for row in methods().values() for other in row.aliases}
    taken |= {key(other): target for other, target in _added.aliases[kind].items()}
    for alias in aliases:
        holder = taken.get(key(alias), name)
        if key(holder) != key(name):
            raise ValueError(
                f"aliases: {alias!r} is taken by the {kind} {holder!r}; choose another alias"
            )


@contextmanager
def using(objects: Mapping[str, Any] | None) -> Generator[None]:
    """Register objects under the given names for the length of a block, as `advlearn.load` does."""
    before: dict[Kind, dict[str, Any]] = {kind: dict(_added.objects[kind]) for kind in _KINDS}
    try:
        for name, thing in (objects or {}).items():
            known = entries().get(canonical("objective", name).lower())
            if known is None and canonical("task", name) not in tasks():
                _add(thing, name)
        yield
    finally:
        _added.objects = before
        entries.cache_clear()


@cache
def entries() -> dict[str, Entry]:
    """Return every name of an objective, a regularizer or an alias, by its lower-case form."""
    _read_entry_points()
    known: dict[str, Entry] = {}
    for package in PACKAGES:
        for module in files(package)[0]:
            for entry in entries_of(module):
                holder = known.setdefault(entry.name.lower(), entry)
                if holder is not entry and holder.module != entry.module:
                    raise RuntimeError(
                        f"{entry.module}: the name {entry.name!r} is taken by {holder.module}"
                    )
                # A file's class and alias may share a name; the alias wins, since it has defaults.
                known[entry.name.lower()] = entry
    return {**known, **_added.objects["objective"]}


def lookup(name: str) -> Entry:
    """Return the entry called `name`.

    Raises:
        UnknownNameError: If no entry has the name; near names are suggested.
        ValueError: If the name is ambiguous, or its file cannot be imported.
    """
    exact = entries().get(name.lower()) or entries().get(canonical("objective", name).lower())
    if exact is not None:
        return exact
    # "lsgan" (least squares) and "ls-gan" (loss-sensitive) differ only in the hyphen, so it counts.
    near = [e for e in entries().values() if key(e.name) == key(name)]
    if len(near) > 1 and len({e.module for e in near}) == 1:
        # A class and its alias with one key: the class name as printed means the class.
        written_as_class = [e for e in near if getattr(e.make, "__name__", "") == name]
        near = written_as_class or [e for e in near if e.kind == "alias"]
    if len(near) == 1:
        return near[0]
    if near:
        names = " or ".join(repr(e.name) for e in near)
        raise ValueError(f"objective: {name!r} is ambiguous, expected {names}")
    _raise_if_broken(name)
    known = [*(e.name for e in entries().values()), *_added.aliases["objective"]]
    raise UnknownNameError(name, sorted(known))


def _raise_if_broken(name: str) -> None:
    for problem in broken():
        if key(problem.name) == key(name):
            raise ValueError(f"{problem.name}: {problem.module} cannot be used: {problem.reason}")


def broken() -> list[Broken]:
    """Return the files and entry points that could not be used, with the reasons."""
    _read_entry_points()
    packages = (*PACKAGES, TASKS, METHODS, GAMES)
    return [*(b for package in packages for b in files(package)[1]), *_added.broken.values()]


def classes(base: type[Described]) -> list[type[Described]]:
    """Return the final classes of one kind, sorted by module and name."""
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
    return {**own, **_added.objects["task"]}


def task_name(cls: type[Task]) -> str:
    """Return the name of a task class: its registered name, or its class name in snake case."""
    named = (name for name, known in tasks().items() if known is cls)
    return next(named, snake(cls.__name__))


def methods() -> dict[str, Method]:
    """Return every published method by name: rows of ``advlearn/methods``, and registered ones."""
    _read_entry_points()
    rows = {row.name: row for module in files(METHODS)[0] for row in module.METHODS}
    return {**rows, **_added.objects["method"]}


def networks() -> dict[str, Any]:
    """Return the registered architectures and network classes by name."""
    _read_entry_points()
    return dict(_added.objects["network"])


def games() -> dict[str, Any]:
    """Return every rule that moves critic and model together, by name: a class of `Game`."""
    _read_entry_points()
    found = [
        cls
        for module in files(GAMES)[0]
        for _, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and getattr(cls, "KIND", None) == "game"
    ]
    return {**{snake(cls.__name__): cls for cls in found}, **_added.objects["game"]}


def _read_entry_points() -> None:
    """Register what installed packages offer, once; a failing one is kept with its reason."""
    if _added.entry_points_read:
        return
    _added.entry_points_read = True
    for group in GROUPS:
        for point in entry_points(f"advlearn.{group}"):
            try:
                _add(point.load(), point.name)
            except Exception as error:  # an error of a package affects only its own name
                problem = Broken(point.name, point.value, f"{type(error).__name__}: {error}")
                _added.broken[point.name] = problem
