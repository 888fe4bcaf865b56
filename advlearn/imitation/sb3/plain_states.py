"""Save and restore what objects of the user count and remember, such as callbacks."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, final

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

_SCALARS: Final = (bool, int, float, str, type(None))
_ARRAY: Final = "array"
_TUPLE: Final = "tuple"


@final
class PlainStates:
    """Keep the attributes of objects that changed since the start of a run.

    Attributes are kept if they are numbers, texts, arrays, tensors on the CPU, or lists, tuples and
    dicts of these; others, such as models, are not. Settings do not change in a run, so a resumed
    run may have others.

    Args:
        objects: The objects by name.

    Example:
        >>> class Counter:
        ...     calls = 0
        >>> before, after = Counter(), Counter()
        >>> states = PlainStates({"counter": before})
        >>> before.calls = 3
        >>> PlainStates({"counter": after}).load_state_dict(states.state_dict())
        >>> after.calls
        3
    """

    def __init__(self, objects: Mapping[str, object]) -> None:
        self.objects = dict(objects)
        self._fresh = {name: _marks(thing) for name, thing in self.objects.items()}
        self._restored: dict[str, set[str]] = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the changed attributes of each object as plain values and tensors."""
        states: dict[str, Any] = {}
        for name, thing in self.objects.items():
            fresh, kept = self._fresh[name], self._restored.get(name, set())
            now = _marks(thing)
            changed = {key for key in now if now[key] != fresh.get(key) or key in kept}
            states[name] = {key: _encoded(vars(thing)[key]) for key in sorted(changed)}
        return states

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the attributes of the objects that have a state of this name."""
        for name, thing in self.objects.items():
            for key, value in state.get(name, {}).items():
                setattr(thing, key, _decoded(value))
                self._restored.setdefault(name, set()).add(key)


def objects_of(algorithm: BaseAlgorithm, callbacks: Iterable[BaseCallback]) -> dict[str, object]:
    """Return the callbacks, those inside of them and the action noise, with a name for each.

    Args:
        algorithm: The algorithm.
        callbacks: Callbacks of the user.
    """
    found: dict[str, object] = {}
    noise: Any = getattr(algorithm, "action_noise", None)
    inner = [] if noise is None else [noise, *getattr(noise, "noises", ())]
    for thing in [part for callback in callbacks for part in _with_parts(callback)] + inner:
        kind = type(thing).__name__
        count = sum(name.partition(" ")[0] == kind for name in found)
        found[f"{kind} {count + 1}"] = thing
    return found


def _with_parts(callback: BaseCallback) -> Iterator[BaseCallback]:
    """Yield a callback and those that it calls."""
    yield callback
    for name, value in vars(callback).items():
        parts = value if isinstance(value, list) else [value]
        for part in parts:
            # `callback_on_new_best` and the like; the parent would lead back.
            if isinstance(part, BaseCallback) and name != "parent":
                yield from _with_parts(part)


def _marks(thing: object) -> dict[str, str]:
    """Return a checksum of each attribute that can be kept."""
    marks: dict[str, str] = {}
    for name, value in vars(thing).items():
        if _is_plain(value):
            marks[name] = hashlib.blake2b(_bytes(_encoded(value))).hexdigest()
    return marks


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(isinstance(key, str | int) and _is_plain(part) for key, part in value.items())
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "fiub"
    if isinstance(value, torch.Tensor):
        return value.device.type == "cpu"
    return isinstance(value, (*_SCALARS, np.number, np.bool_))


def _encoded(value: Any) -> Any:
    """Return a value in the types of a checkpoint."""
    if isinstance(value, np.ndarray):
        return {_ARRAY: torch.from_numpy(value.copy())}
    if isinstance(value, np.number | np.bool_):
        return value.item()
    if isinstance(value, tuple):
        return {_TUPLE: [_encoded(part) for part in value]}
    if isinstance(value, list):
        return [_encoded(part) for part in value]
    if isinstance(value, dict):
        return {"dict": [[key, _encoded(part)] for key, part in value.items()]}
    return value.detach().clone() if isinstance(value, torch.Tensor) else value


def _decoded(value: Any) -> Any:
    """Return the value of `_encoded`."""
    if isinstance(value, list):
        return [_decoded(part) for part in value]
    if not isinstance(value, dict):
        return value
    if _ARRAY in value:
        return value[_ARRAY].numpy().copy()
    if _TUPLE in value:
        return tuple(_decoded(part) for part in value[_TUPLE])
    return {key: _decoded(part) for key, part in value["dict"]}


def _bytes(value: Any) -> bytes:
    """Return the bytes of an encoded value."""
    if isinstance(value, dict):
        return b"".join(key.encode() + _bytes(part) for key, part in value.items())
    if isinstance(value, list):
        return b"[" + b",".join(map(_bytes, value)) + b"]"
    if isinstance(value, torch.Tensor):
        return repr(value.shape).encode() + value.numpy().tobytes()
    return repr(value).encode()
