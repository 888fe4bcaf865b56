"""Tasks: one file each; every class is importable from here, for example ``Generate``."""

from advlearn._lazy import lazy
from advlearn.core import registry


def _where() -> dict[str, str]:
    return {cls.__name__: cls.__module__ for cls in registry.tasks().values()}


__getattr__, __dir__ = lazy(__name__, _where)
