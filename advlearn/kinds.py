"""Collect everything that has a name, for `list`, `describe` and completion."""

import importlib
import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast, final

from advlearn import catalogue
from advlearn.core import naming, registry
from advlearn.core.method import Method
from advlearn.terminal_math import plain

KINDS = (
    "method",
    "task",
    "objective",
    "regularizer",
    "game",
    "network",
    "data",
    "metric",
    "environment",
    "reward",
)


@final
@dataclass(frozen=True, slots=True)
class Item:
    """A name that `describe` accepts.

    Args:
        kind: One of `KINDS`.
        name: The name.
        field: The field of a method, else the kind.
        summary: One line.
        target: The row, class, function or alias that the name stands for.
        aliases: Other spellings.
    """

    kind: str
    name: str
    field: str
    summary: str
    target: Any
    aliases: tuple[str, ...] = ()


def items() -> list[Item]:
    """Return everything with a name, kind by kind, methods by field.

    Example:
        >>> [item.kind for item in items() if item.name == "wgan-gp"]
        ['method', 'objective']
    """
    makers: tuple[Callable[[], Iterator[Item]], ...] = (
        _methods,
        _tasks,
        _objectives,
        _games,
        _networks,
        _data,
        _metrics,
        _environments,
        _rewards,
    )
    return [item for make in makers for item in make()]


def find(name: str) -> list[Item]:
    """Return the items with a name, of every kind.

    Args:
        name: The name. Case is ignored; hyphens and underscores are ignored unless two names
            differ only in them.
    """
    everything = items()
    lowered = name.strip().lower()
    exact = [i for i in everything if lowered in map(str.lower, (i.name, *i.aliases))]
    key = naming.key(lowered)
    loose = [i for i in everything if key in map(naming.key, (i.name, *i.aliases))]
    # "lsgan" and "ls-gan" are two methods, so hyphens count for them.
    names = {i.name.lower().replace("_", "-") for i in loose}
    return loose if len(names) == 1 else exact


def first_line(thing: Any) -> str:
    """Return the first line of a docstring, without markup."""
    return plain((inspect.getdoc(thing) or "").partition("\n")[0])


def _methods() -> Iterator[Item]:
    for row in catalogue.methods().values():
        yield Item("method", row.name, catalogue.field_of(row), row.summary, row, row.aliases)


def _tasks() -> Iterator[Item]:
    for name, cls in registry.tasks().items():
        aliases = registry.aliases_of("task", name)
        yield Item("task", name, "task", first_line(cls), cls, aliases)
    summary = "Learn a policy from demonstrations (pip install 'advlearn[rl]')."
    yield Item("task", catalogue.IMITATION, "task", summary, None)


def _objectives() -> Iterator[Item]:
    entries = sorted(registry.entries().values(), key=lambda e: e.name)
    for kind in ("objective", "regularizer"):
        for entry in entries:
            if _kind_of(entry) == kind:
                aliases = registry.aliases_of("objective", entry.name)
                yield Item(kind, entry.name, kind, first_line(entry.make), entry, aliases)


def _kind_of(entry: Any) -> str:
    """Return "objective" for an alias too, since an alias is an objective with regularizers."""
    return "regularizer" if entry.kind == "regularizer" else "objective"


def _games() -> Iterator[Item]:
    for name, cls in registry.games().items():
        yield Item("game", name, "game", first_line(cls), cls, registry.aliases_of("game", name))


def _networks() -> Iterator[Item]:
    nets = importlib.import_module("advlearn.nets.architecture")
    for name, architecture in nets.architectures().items():
        aliases = registry.aliases_of("network", name)
        yield Item("network", name, "network", architecture.summary, architecture, aliases)
    for name, cls in nets.networks().items():
        aliases = registry.aliases_of("network", name)
        yield Item("network", name, "network", first_line(cls), cls, aliases)


def _data() -> Iterator[Item]:
    datasets = importlib.import_module("advlearn.data.datasets")
    facts = datasets.catalogue()
    for name in datasets.names():
        yield Item("data", name, "data", facts[name].summary, facts[name])


def _metrics() -> Iterator[Item]:
    metrics = importlib.import_module("advlearn.metrics")
    for name in cast(list[str], metrics.__all__):
        value = getattr(metrics, name)
        if callable(value) and inspect.isfunction(value):
            yield Item("metric", name, "metric", first_line(value), value)


def _environments() -> Iterator[Item]:
    try:
        envs = importlib.import_module("advlearn_envs.catalogue")
    except ImportError:
        return
    for name, entry in envs.available().items():
        cls = getattr(importlib.import_module(f"advlearn_envs.{entry.module}"), entry.cls)
        yield Item("environment", name, "environment", first_line(cls), cls)


def _rewards() -> Iterator[Item]:
    try:
        imitation = importlib.import_module("advlearn.imitation")
    except ImportError:
        return
    for name, shape in imitation.REWARD_SHAPES.items():
        yield Item("reward", name, "reward", first_line(shape), shape)


def method_items(field: str) -> list[Item]:
    """Return the methods of a field, and the tasks that they train.

    Raises:
        ValueError: If there is no such field.
    """
    everything = items()
    rows = [item for item in everything if item.kind == "method" and item.field == field]
    if not rows:
        known = sorted({item.field for item in everything if item.kind == "method"})
        hint = naming.suggestion(field, known)
        raise ValueError(
            f"for: expected one of {', '.join(known)}, got {field!r}{hint and '; '}{hint}"
        )
    tasks = {cast(Method, row.target).task for row in rows}
    return rows + [item for item in everything if item.kind == "task" and item.name in tasks]
