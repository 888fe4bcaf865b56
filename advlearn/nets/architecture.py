"""Find the generator and the critic of a paper by name, and rebuild saved networks."""

import importlib
import inspect
import pkgutil
from collections.abc import Mapping, Sequence
from functools import cache
from types import ModuleType
from typing import Any, NamedTuple, Protocol

from advlearn.core import registry
from advlearn.core.arguments import checked
from advlearn.core.described import Reference
from advlearn.core.naming import suggestion
from advlearn.nets.blocks import resolution
from advlearn.nets.network import Network, sizes

PACKAGE = "advlearn.nets"


class GeneratorOf(Protocol):
    """Build the generator of an architecture."""

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
    """Build the critic of an architecture."""

    def __call__(
        self,
        shape: Sequence[int],
        out_features: int = ...,
        *,
        base_channels: int = ...,
        classes: int = ...,
    ) -> Network: ...


class Architecture(NamedTuple):
    """Pair the generator and the critic of a paper.

    The name of an architecture is that of a file in `advlearn.nets.families` that defines
    ``ARCHITECTURE``. With classes, both networks take a condition y: class indices int64 (N,) or
    vectors float (N, classes).

    Args:
        generator: Class of the generator.
        critic: Class of the critic; its scores are (N,) or (N, out_features).
        sides: Sides of the square images that both can be built for.
        summary: One line on the characteristics of the architecture.
        reference: Paper that published it.
        any_size: Whether both can also be built for other sides and aspects, series and volumes.
    """

    KIND = "network"

    generator: GeneratorOf
    critic: CriticOf
    sides: tuple[int, ...]
    summary: str = ""
    reference: Reference | None = None
    any_size: bool = False

    def fits(self, shape: Sequence[int]) -> bool:
        """Return whether the networks can be built for samples of this shape."""
        if self.any_size:
            return resolution.fits(shape)
        return len(shape) == 3 and shape[1] == shape[2] and shape[1] in self.sides


def architectures() -> dict[str, Architecture]:
    """Return every architecture by the name of its file.

    Example:
        >>> "dcgan" in architectures()
        True
    """
    built_in = {
        path.rpartition(".")[2]: module.ARCHITECTURE
        for path, module in _modules().items()
        if hasattr(module, "ARCHITECTURE")
    }
    registered = {k: v for k, v in registry.networks().items() if isinstance(v, Architecture)}
    return {**built_in, **registered}


@checked
def find_architecture(name: str, shape: Sequence[int]) -> Architecture:
    """Return the architecture of a name, if it can be built for samples of a shape.

    Args:
        name: Name of its file in `advlearn.nets.families`.
        shape: Shape of one sample.

    Returns:
        The architecture.

    Raises:
        ValueError: The name is unknown, or the architecture does not fit the shape.

    Example:
        >>> find_architecture("dcgan", (1, 28, 28)).generator.__name__
        'DCGANGenerator'
    """
    known, name = architectures(), registry.canonical("network", name)
    if name not in known:
        hint = suggestion(name, known, otherwise="see `advlearn list`")
        raise ValueError(f"architecture: expected one of {', '.join(known)}, got {name!r}; {hint}")
    architecture = known[name]
    shape = sizes("shape", shape)
    if not architecture.fits(shape):
        if architecture.any_size:
            raise ValueError(
                f"architecture: expected images, series or volumes with sides from "
                f"{resolution.SMALLEST} for {name}, got {shape}; choose another architecture"
            )
        sides = ", ".join(map(str, architecture.sides))
        raise ValueError(
            f"architecture: expected square images (C, H, W) with a side of {sides} for {name}, "
            f"got {shape}; resize the images with load(data, size=...), or choose dcgan, which "
            "takes any size"
        )
    return architecture


@checked
def build(config: Mapping[str, Any]) -> Network:
    """Build a network with new weights from its configuration.

    Args:
        config: Result of the network's `config()`: its class name under "net", and its parameters.

    Returns:
        A network of the same architecture; load its weights with `load_state_dict`.

    Raises:
        ValueError: "net" is not a network of `advlearn.nets`, or its constructor does not take
            the parameters.

    Example:
        >>> build({"net": "MLPCritic", "shape": [2], "hidden": [8]}).config()["classes"]
        0
    """
    parameters = dict(config)
    name = parameters.pop("net", None)
    known = networks()
    name = registry.canonical("network", name) if isinstance(name, str) else name
    if name not in known:
        raise ValueError(f"config: expected net to be one of {', '.join(known)}, got {name!r}")
    try:
        return known[name](**parameters)
    except TypeError as error:
        raise ValueError(f"config: {error}") from error


def networks() -> dict[str, type[Network]]:
    """Return every network class that `build` knows, by name."""
    added = {k: v for k, v in registry.networks().items() if isinstance(v, type)}
    return {**_library_networks(), **added}


@cache
def _library_networks() -> dict[str, type[Network]]:
    return {
        name: cls
        for module in _modules().values()
        for name, cls in inspect.getmembers(module, inspect.isclass)
        if cls.__module__ == module.__name__ and issubclass(cls, Network) and cls is not Network
    }


@cache
def _modules() -> dict[str, ModuleType]:
    root = importlib.import_module(PACKAGE)
    walked = pkgutil.walk_packages(root.__path__, f"{PACKAGE}.")
    return {name: importlib.import_module(name) for name in sorted(info.name for info in walked)}
