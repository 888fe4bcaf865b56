"""Regularizers: one file per family; every class is importable from here, for example ``R1``."""

from advlearn._lazy import lazy
from advlearn.core import registry
from advlearn.core.regularizer import Regularizer


def _where() -> dict[str, str]:
    return {cls.__name__: cls.__module__ for cls in registry.classes(Regularizer)}


__getattr__, __dir__ = lazy(__name__, _where)
