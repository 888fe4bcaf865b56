"""Rules that move critic and model together: one file per rule, for example ``Lookahead``."""

from advlearn._lazy import lazy
from advlearn.core import registry


def _where() -> dict[str, str]:
    return {cls.__name__: cls.__module__ for cls in registry.games().values()}


__getattr__, __dir__ = lazy(__name__, _where)
