"""How names are compared, spelled and suggested."""

import re
from collections.abc import Iterable
from difflib import get_close_matches
from typing import final

# A message about an unknown name shows all known names up to this many.
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


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name that does not exist: near names, or the first known ones.

    Example:
        >>> unknown("name", "hinje", ["hinge", "mmd"])
        "unknown name 'hinje'; did you mean 'hinge'?"
    """
    names = sorted(set(known))
    near = get_close_matches(name, names, n=3, cutoff=0.6)
    if near:
        return f"unknown {what} {name!r}; did you mean {' or '.join(map(repr, near))}?"
    if len(names) > LISTED:
        return f"unknown {what} {name!r}; see `advlearn list`"
    return f"unknown {what} {name!r}; known: {', '.join(names) or 'none'}"


@final
class UnknownNameError(ValueError):
    """A name that nothing has.

    Args:
        name: The name.
        known: The names there are.
        argument: The argument that the name was given for.
    """

    def __init__(self, name: str, known: list[str], argument: str = "objective") -> None:
        super().__init__(f"{argument}: {unknown('name', name, known)}")
        self.name, self.known = name, known
