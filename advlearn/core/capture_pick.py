"""Pick one tensor from what a layer receives or returns."""

import inspect
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from typing import Any, cast, final

from torch import Tensor, nn

Pick = int | str | Callable[..., Tensor] | None


@final
class OutputReader:
    """Read a tensor from a layer's output.

    Args:
        layer: Name of the layer, for messages.
        pick: Index or key of the tensor in the output, or a callable from the output to it; None
            if the output is a tensor.
    """

    def __init__(self, layer: str, pick: Pick) -> None:
        self.layer = layer
        self.pick = pick

    def __call__(self, _: Any, output: Any) -> Tensor:
        """Return the tensor; the arguments are those of a forward hook."""
        if callable(self.pick):
            return expect_tensor(self.layer, "return", self.pick(output))
        if self.pick is None:
            return expect_tensor(self.layer, "return", output)
        return expect_tensor(self.layer, "return", part_of(output, self.pick))


@final
class InputReader:
    """Read a tensor from a layer's arguments.

    Args:
        layer: Name of the layer, for messages.
        module: The layer.
        pick: Position or name of the argument, or a callable that takes the layer's arguments; None
            for the first argument.
    """

    def __init__(self, layer: str, module: nn.Module, pick: Pick) -> None:
        self.layer = layer
        self.pick = pick
        self.names = tuple(inspect.signature(module.forward).parameters)

    def __call__(self, args: tuple[Any, ...], keywords: dict[str, Any]) -> Tensor:
        """Return the tensor; the arguments are those of a forward pre-hook with keywords."""
        if callable(self.pick):
            return expect_tensor(self.layer, "receive", self.pick(*args, **keywords))
        # An argument is found by its position and by its name, whichever the model uses.
        named = {**dict(zip(self.names, args, strict=False)), **keywords}
        if isinstance(self.pick, str):
            return expect_tensor(self.layer, "receive", part_of(named, self.pick))
        place = 0 if self.pick is None else self.pick
        known = (*args, *(named[name] for name in self.names[len(args) :] if name in named))
        return expect_tensor(self.layer, "receive", part_of(known, place))


def part_of(values: object, pick: int | str) -> Any:
    """Return a part of a tuple, a mapping or a dataclass by its index, key or field name.

    Raises:
        ValueError: If there is no such part.

    Example:
        >>> part_of({"hidden": 3}, "hidden"), part_of((1, 2), -1)
        (3, 2)
    """
    whole = cast(Any, values)
    if isinstance(values, Mapping) and pick in values:
        return whole[pick]
    if isinstance(whole, Tensor):
        raise ValueError(f"pick: expected None for a layer with one tensor, got {pick!r}")
    if isinstance(pick, str) and hasattr(whole, pick):
        return getattr(whole, pick)
    if isinstance(pick, int) and hasattr(cast(object, whole), "__getitem__"):
        with suppress(IndexError, KeyError):
            return whole[pick]
    raise ValueError(f"pick: expected an index or a name of {_described(values)}, got {pick!r}")


def expect_tensor(layer: str, verb: str, value: Any) -> Tensor:
    """Return `value`, or raise a TypeError that says how to pick a tensor from it."""
    if isinstance(value, Tensor):
        return value
    names = _names(value)
    advice = f"; choose one part of {_described(value)}, such as pick={names[0]!r}" if names else ""
    raise TypeError(
        f"layer: expected {layer!r} to {verb} a tensor, got {type(value).__name__}{advice}"
    )


def _names(value: Any) -> list[int | str]:
    """Return the indices or names by which parts of a value are picked."""
    if isinstance(value, Mapping):
        return list(cast(Mapping[Any, Any], value))
    if is_dataclass(value):
        return [field.name for field in fields(value)]
    return list(range(len(cast(Any, value)))) if isinstance(value, list | tuple) else []


def _described(value: Any) -> str:
    """Describe a value by its type and the parts that can be picked."""
    names = _names(value)
    kind = type(value).__name__
    if isinstance(value, list | tuple):
        return f"{kind} of {len(names)}"
    return f"{kind} with {', '.join(map(str, names[:8]))}" if names else kind
