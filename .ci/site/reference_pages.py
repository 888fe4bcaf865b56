"""Reference pages: every public name of every package, with its docstring."""

import importlib
import inspect
from types import ModuleType
from typing import Any

from advlearn.core import registry

# Packages whose public names are their `__all__`.
PACKAGES = (
    *("advlearn", "advlearn.core", "advlearn.data", "advlearn.nets", "advlearn.metrics"),
    *("advlearn.imitation", "advlearn.sklearn", "advlearn.training", "advlearn.plots"),
    *("advlearn.critics", "advlearn.testing"),
)
# Packages with one module for each name.
FOLDERS = ("advlearn.objectives", "advlearn.regularizers", "advlearn.tasks", "advlearn.games")


def names() -> list[str]:
    """Return the pages in the order of the navigation."""
    return [f"reference/{package}.md" for package in (*PACKAGES, *FOLDERS)]


def pages() -> dict[str, str]:
    """Return the pages by their path."""
    documented: set[str] = set()
    return {
        f"reference/{package}.md": _page(package, documented) for package in (*PACKAGES, *FOLDERS)
    }


def public(package: str) -> dict[str, str]:
    """Return the public names of a package, and where each is defined."""
    module = importlib.import_module(package)
    if package in FOLDERS:
        return {kind.__name__: f"{kind.__module__}.{kind.__name__}" for kind in _classes(package)}
    return {name: _place(module, name) for name in sorted(module.__all__, key=str.lower)}


def _classes(package: str) -> list[type]:
    entries = [entry.make for entry in registry.entries().values()]
    found = {make for make in [*entries, *registry.tasks().values()] if inspect.isclass(make)}
    if package == "advlearn.games":
        from advlearn.core.game import Game

        found |= set(Game.__subclasses__())
    inside = [kind for kind in found if kind.__module__.startswith(f"{package}.")]
    return sorted(inside, key=lambda kind: kind.__name__.lower())


def _place(module: ModuleType, name: str) -> str:
    """Return the path under which a name is documented."""
    value: Any = getattr(module, name)
    if inspect.ismodule(value):
        return value.__name__
    home, own = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if home is not None and own == name and home.startswith("advlearn"):
        return f"{home}.{name}"
    return f"{module.__name__}.{name}"


def _page(package: str, documented: set[str]) -> str:
    """Return a page; a name that another page documents already is a link to it."""
    module = importlib.import_module(package)
    first = inspect.cleandoc(module.__doc__ or "").partition("\n\n")[0]
    lines = [f"# {package}", "", first, ""]
    for name, place in public(package).items():
        if place in documented:
            lines += [f"### {name}", "", f"See [{name}][{place}].", ""]
        else:
            documented.add(place)
            lines += [f"::: {place}", "    options:", f"      heading: {name}", ""]
    return "\n".join(lines)
