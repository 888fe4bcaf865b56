"""How names are compared, spelled and suggested."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import final

# A message about an unknown name lists the known names if there are at most this many.
LISTED = 12


def key(name: str) -> str:
    """Return the form in which names are compared: without case, hyphens and underscores.

    Example:
        >>> key("WGAN-GP") == key("wgan_gp")
        True
    """
    return re.sub(r"[-_]", "", name).lower()


def snake(name: str) -> str:
    """Return the documented name of a class.

    Example:
        >>> snake("SpectralNorm"), snake("FDivergence")
        ('spectral_norm', 'f_divergence')
    """
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


def suggestion(
    name: str, known: Iterable[str], *, otherwise: str = "", count: int = 3, cutoff: float = 0.6
) -> str:
    """Return a hint with the known names that resemble a misspelled one.

    Args:
        name: The misspelled name.
        known: The names that exist.
        otherwise: The hint where no known name is near.
        count: Largest number of names in the hint.
        cutoff: Least similarity of a near name, in [0, 1].

    Returns:
        A clause to append to an error message.

    Example:
        >>> suggestion("mnsit", ["mnist", "usps"])
        "did you mean 'mnist'?"
    """
    near = get_close_matches(name, sorted(set(known)), n=count, cutoff=cutoff)
    return f"did you mean {' or '.join(map(repr, near))}?" if near else otherwise


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that does not exist, with near names or all known ones.

    Example:
        >>> unknown("name", "hinje", ["hinge", "mmd"])
        "unknown name 'hinje'; did you mean 'hinge'?"
    """
    names = sorted(set(known))
    few = f"known: {', '.join(names) or 'none'}"
    otherwise = few if len(names) <= LISTED else "see `advlearn list`"
    return f"unknown {what} {name!r}; {suggestion(name, names, otherwise=otherwise)}"


@final
class UnknownNameError(ValueError):
    """Raised for a name that does not exist.

    Args:
        name: The name.
        known: The names that exist.
        argument: The argument that has the name as its value.
    """

    def __init__(self, name: str, known: list[str], argument: str = "objective") -> None:
        super().__init__(f"{argument}: {unknown('name', name, known)}")
        self.name, self.known = name, known
