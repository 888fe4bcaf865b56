"""How an alias says that its recipe comes from another paper than the file it stands in."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from advlearn.core.described import Reference

P = ParamSpec("P")
R = TypeVar("R")


def cites(reference: Reference) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Give a factory of an alias its own `REFERENCE`."""

    def attach(make: Callable[P, R]) -> Callable[P, R]:
        make.__dict__["REFERENCE"] = reference
        return make

    return attach
