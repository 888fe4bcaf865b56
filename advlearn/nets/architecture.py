"""Architectures by name: the generator and the critic of one paper stand in one file and are found there."""

import importlib
import inspect
import pkgutil
from collections.abc import Sequence
from difflib import get_close_matches
from functools import cache
from types import ModuleType
from typing import NamedTuple, Protocol

from advlearn.nets.network import Network, sizes

PACKAGE = "advlearn.nets"


class GeneratorOf(Protocol):
    """How the generator of a family is built."""

    def __call__(
        self,
        latent: int,
        shape: Sequence[int],
        *,
        base_channels: int = ...,
        classes: int = ...,
        tanh_output: bool = ...,
    ) -> Network: ...


class CriticOf(Protocol):
    """How the critic of a family is built."""

    def __call__(
        self,
        shape: Sequence[int],
        out_features: int = ...,
        *,
        base_channels: int = ...,
        classes: int = ...,
    ) -> Network: ...


class Architecture(NamedTuple):
    """A generator and a critic that were published together; a file of `advlearn.nets` names its own ``ARCHITECTURE``.

    With classes both take y beside their input: class indices int64 (N,), or vectors float (N,
    classes).

    Args:
        generator: Class of the generator.
        critic: Class of the critic; its scores are (N,) or (N, out_features).
        sides: SamplePair of the square images that both can be built for.
    """

    generator: GeneratorOf
    critic: CriticOf
    sides: tuple[int, ...]

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether the networks can be built for samples of this shape."""
        return len(shape) == 3 and shape[1] == shape[2] and shape[1] in self.sides


def architectures() -> dict[str, Architecture]:
    """Return every family by the name of its file.

    Example:
        >>> "dcgan" in architectures()
        True
    """
    found = {name: getattr(module, "ARCHITECTURE", None) for name, module in _modules().items()}
    return {name: architecture for name, architecture in found.items() if architecture is not None}


def find_architecture(name: str, shape: Sequence[int]) -> Architecture:
    """Return a family, if it can be built for samples of a shape.

    Args:
        name: Name of the file it stands in.
        shape: Shape of one sample.

    Raises:
        ValueError: An unknown name, or a shape that the family has no networks for.

    Example:
        >>> find_architecture("dcgan", (1, 28, 28)).generator.__name__
        'DCGANGenerator'
    """
    known = architectures()
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else f"known: {', '.join(known)}"
        )
        raise ValueError(f"nets: unknown family {name!r}; {hint}")
    found = known[name]
    shape = sizes("shape", shape)
    if not found.fits(shape):
        sides = ", ".join(map(str, found.sides))
        raise ValueError(
            f"nets: {name} is for square images (C, H, W) with a side of {sides}, got {shape}"
        )
    return found


@cache
def networks() -> dict[str, type[Network]]:
    """Return every network that a recipe may name."""
    return {
        name: cls
        for module in _modules().values()
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, Network) and cls is not Network
    }


@cache
def _modules() -> dict[str, ModuleType]:
    root = importlib.import_module(PACKAGE)
    names = sorted(info.name for info in pkgutil.iter_modules(root.__path__))
    return {name: importlib.import_module(f"{PACKAGE}.{name}") for name in names}
