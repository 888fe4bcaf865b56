"""Cite a paper for an alias where it differs from the paper of its file."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from advlearn.core.described import Reference

P = ParamSpec("P")
R = TypeVar("R")


def cites(reference: Reference) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator that sets the `REFERENCE` of an alias."""

    def attach(make: Callable[P, R]) -> Callable[P, R]:
        make.__dict__["REFERENCE"] = reference
        return make

    return attach
