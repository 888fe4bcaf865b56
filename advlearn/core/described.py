"""What an objective and a regularizer share: a printed form that reads back, and where it was published."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import nn


@final
@dataclass(frozen=True, slots=True)
class Reference:
    """Where a method was published.

    Args:
        title: Title of the paper.
        authors: First author and year, as one would cite it, for example ``"Gulrajani et al.
            2017"``.
        equation: The equation, table or algorithm that the code implements, for example ``"eq.
            3"``.
        url: Address of the paper.
    """

    title: str
    authors: str
    equation: str
    url: str

    def __str__(self) -> str:
        return f"{self.authors}, {self.title}, {self.equation}, {self.url}"


class Described(nn.Module):
    """A module whose constructor stores each parameter under its own name, so that its printed form is its spec.

    The printed form ``Name(key=value, ...)`` is a term of the string grammar:
    ``resolve(repr(obj))`` builds an equal object. Equality of modules stays identity (PyTorch keeps
    modules in sets); compare printed forms.
    """

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name)!r}" for name in keywords(type(self)))
        return f"{type(self).__name__}({', '.join(shown)})"

    # Assigned by `chain`, which is made of these modules.
    as_chain: ClassVar[Callable[[Any], Any]]

    def __add__(self, other: Any) -> Any:
        """Return the `Chain` of this module and another one."""
        return type(self).as_chain(self) + other


def keywords(make: Callable[..., Any]) -> list[str]:
    """Names of the keywords that a class or an alias takes; a class without a constructor of its own takes none."""
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in inspect.signature(make).parameters.values() if p.kind in named]
