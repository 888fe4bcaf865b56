"""Import a package's modules and find entry points; one failure does not affect the rest."""

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from types import ModuleType
from typing import final

# The name that each file of a package must define.
DEFINES = {
    "games": "REFERENCE",
    "methods": "METHODS",
    "objectives": "REFERENCE",
    "regularizers": "REFERENCE",
    "tasks": "TASK",
}


@final
@dataclass(frozen=True, slots=True)
class Broken:
    """A file or an entry point that cannot be used.

    Args:
        name: The name it would have.
        module: The module it is in.
        reason: Why it cannot be used, in one line.
    """

    name: str
    module: str
    reason: str


@cache
def files(package: str) -> tuple[list[ModuleType], list[Broken]]:
    """Import every public module of a package.

    Args:
        package: Full name, for example ``"advlearn.objectives"``.

    Returns:
        The modules, sorted by name, and the files that cannot be used.
    """
    root = importlib.import_module(package)
    defines = DEFINES[package.rpartition(".")[2]]
    modules, problems = list[ModuleType](), list[Broken]()
    for name in sorted(info.name for info in pkgutil.iter_modules(root.__path__)):
        if name.startswith("_"):
            continue
        where = f"{package}.{name}"
        try:
            module = importlib.import_module(where)
        except Exception as error:  # a file that fails must not affect the others
            first = (str(error).splitlines() or [""])[0]
            problems.append(Broken(name, where, f"{type(error).__name__}: {first}"))
            continue
        if hasattr(module, defines):
            modules.append(module)
        else:
            problems.append(Broken(name, where, f"it does not define {defines}"))
    return modules, problems


def entry_points(group: str) -> tuple[metadata.EntryPoint, ...]:
    """Return the entry points of a group in all installed packages."""
    return tuple(metadata.entry_points(group=group))
