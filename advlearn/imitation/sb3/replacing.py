"""Replace methods of an object for a while, so that its type and its place stay as they are."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any


@contextmanager
def replaced(thing: Any, **methods: Callable[..., Any]) -> Generator[None]:
    """Replace methods of one object in the block.

    Args:
        thing: The object; its class and its other methods do not change.
        **methods: The replacements by name.

    Example:
        >>> class Two:
        ...     def value(self):
        ...         return 2
        >>> two = Two()
        >>> with replaced(two, value=lambda: 3):
        ...     two.value()
        3
        >>> two.value(), vars(two)
        (2, {})
    """
    held = vars(thing)
    before = {name: held[name] for name in methods if name in held}
    held.update(methods)
    try:
        yield
    finally:
        for name in methods:
            if name in before:
                held[name] = before[name]
            else:
                held.pop(name, None)


def without_replaced(thing: Any) -> Any:
    """Return another object with the same attributes, except replaced methods.

    Args:
        thing: The object, in a block of `replaced` or not; it keeps its methods.

    Example:
        >>> class Two:
        ...     def value(self):
        ...         return 2
        >>> two = Two()
        >>> with replaced(two, value=lambda: 3):
        ...     without_replaced(two).value(), two.value()
        (2, 3)
    """
    cls: Any = type(thing)
    other = cls.__new__(cls)  # `copy` would follow `__getstate__`, which may leave attributes out
    held = {name: v for name, v in vars(thing).items() if not callable(getattr(cls, name, None))}
    vars(other).update(held)
    return other
