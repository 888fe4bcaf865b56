"""Base class of objectives and regularizers: a printed form to parse back, and a reference."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import nn

from advlearn.core.arguments import checked


@final
@dataclass(frozen=True, slots=True)
class Reference:
    """Where a method was published.

    Args:
        title: Title of the paper.
        authors: First author and year as in a citation, for example ``"Gulrajani et al. 2017"``.
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
    """Base class of modules that print as their spec.

    The constructor stores each parameter as an attribute of the same name. The printed form
    ``Name(key=value, ...)`` is a term of the string grammar: ``resolve(repr(obj))`` builds an equal
    object. Modules compare by identity, because PyTorch keeps them in sets; to compare settings,
    compare printed forms.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__init__" in cls.__dict__:
            checked(cls)

    def __repr__(self) -> str:
        settings = (f"{name}={getattr(self, name)!r}" for name in keywords(type(self)))
        return f"{type(self).__name__}({', '.join(settings)})"

    # Assigned by `chain`, which imports this module.
    as_chain: ClassVar[Callable[[Any], Any]]

    def __add__(self, other: Any) -> Any:
        """Return the `Chain` of this module and another one."""
        return type(self).as_chain(self) + other


def keywords(make: Callable[..., Any]) -> list[str]:
    """Return the names of the keywords that a class or an alias takes."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p.name for p in inspect.signature(make).parameters.values() if p.kind in kinds]
