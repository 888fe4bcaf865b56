"""Package attributes that are imported on first use (PEP 562)."""

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any


def lazy(
    package: str, where: Callable[[], Mapping[str, str]]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return ``__getattr__`` and ``__dir__`` for a package whose names are imported on first use.

    Args:
        package: The package's ``__name__``.
        where: Returns each public name's module; a module of the same name stands for itself.

    Returns:
        The two functions, to be assigned in the package's ``__init__``.
    """

    def get(name: str) -> Any:
        # `from package import _file` asks here first, and may do so from a file that `where` reads.
        if name.startswith("_"):
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = where().get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        loaded = importlib.import_module(module)
        value = loaded if module == f"{package}.{name}" else getattr(loaded, name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *where()})

    return get, names
