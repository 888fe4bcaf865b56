"""Plain descriptions of objects, by which two runs compare functions, settings and networks."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import inspect
import re
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from types import CodeType
from typing import Any, cast
from zlib import crc32

from torch import nn
from torch.nn.parameter import is_lazy

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def name_of(setting: Any) -> str | None:
    """Return a name of a setting; that of a function has a checksum of its code.

    Args:
        setting: None, a string, a function, a class or an object.

    Example:
        >>> name_of("adam"), name_of(int), name_of(lambda: 1) == name_of(lambda: 2)
        ('adam', 'int', False)
    """
    if setting is None or isinstance(setting, str):
        return setting
    name = getattr(setting, "__qualname__", type(setting).__qualname__)
    code = getattr(setting, "__code__", None)
    # Two lambdas in one function have the same name.
    return name if code is None else f"{name}#{crc32(repr(_parts(code)).encode()):08x}"


def values_of(setting: Any) -> str | None:
    """Return the values that a function holds: its defaults, its closure, a partial's arguments.

    Lists, dicts and sets of the closure do not count: the function may write to them.

    Args:
        setting: A setting as for `name_of`.

    Returns:
        The values as text; None if there are none.

    Example:
        >>> values_of(partial(max, default=3))
        "max ((), {'default': 3})"
        >>> values_of("adam") is None
        True
    """
    if isinstance(setting, partial):
        inner = cast("partial[Any]", setting)
        held = (tuple(map(_text, inner.args)), {k: _text(v) for k, v in inner.keywords.items()})
        return " ".join(filter(None, (name_of(inner.func), values_of(inner.func), repr(held))))
    closure: tuple[Any, ...] = getattr(setting, "__closure__", None) or ()
    defaults: tuple[Any, ...] = getattr(setting, "__defaults__", None) or ()
    keywords: dict[str, Any] = getattr(setting, "__kwdefaults__", None) or {}
    cells = [cell.cell_contents for cell in closure if _is_filled(cell)]
    # A list, dict or set of a closure may hold what the function records, which changes.
    held = [_text(value) for value in cells if not isinstance(value, list | dict | set)]
    held += [_text(value) for value in (*defaults, *keywords.values())]
    return ", ".join(map(str, held)) or None


def constructor_values(thing: object) -> dict[str, str]:
    """Return the attributes that have the names of the constructor's parameters, as text.

    Counters and other state of an object have other names.

    Args:
        thing: Any object.

    Example:
        >>> constructor_values(nn.Dropout(0.25))
        {'p': '0.25', 'inplace': 'False'}
    """
    try:
        parameters = inspect.signature(type(thing)).parameters
    except (TypeError, ValueError):  # a class written in C
        return {}
    held = vars(thing) if hasattr(thing, "__dict__") else {}
    found = {name: held[name] for name in parameters if name in held}
    return {name: str(_text(value)) for name, value in found.items() if _is_described(value)}


def architecture(module: nn.Module) -> str | None:
    """Describe the layers of a module and the shapes of its parameters, without their values.

    Args:
        module: The module.

    Returns:
        Its class, its number of parameters and a checksum; None while a layer is lazy.

    Example:
        >>> architecture(nn.Linear(2, 1)) == architecture(nn.Linear(2, 1))
        True
        >>> architecture(nn.LeakyReLU(0.1)) == architecture(nn.LeakyReLU(0.2))
        False
    """
    parameters = dict(module.named_parameters())
    if any(map(is_lazy, parameters.values())):
        return None
    lines = [
        f"{name} {type(part).__qualname__} {_ADDRESS.sub('', part.extra_repr())}"
        for name, part in module.named_modules()
    ]
    lines += [f"{name} {p.dtype} {tuple(p.shape)}" for name, p in parameters.items()]
    count = sum(p.numel() for p in parameters.values())
    return f"{type(module).__name__} of {count} parameters, {checksum(lines)}"


def checksum(value: object) -> str:
    """Return a checksum of twelve characters of the text of a value.

    Example:
        >>> checksum([1, 2]) == checksum([1, 2]), checksum([1, 2]) == checksum([2, 1])
        (True, False)
    """
    return blake2b(repr(value).encode(), digest_size=6).hexdigest()


def flatten(values: Mapping[str, Any], start: str = "") -> dict[str, Any]:
    """Return nested mappings as one, with dots between the names.

    Example:
        >>> flatten({"a": {"b": 1}, "c": 2})
        {'a.b': 1, 'c': 2}
    """
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= flatten(cast(Mapping[str, Any], value), f"{start}{name}.")
        else:
            flat[f"{start}{name}"] = value
    return flat


def _is_filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that has no value yet
        return False


def _is_described(value: object) -> bool:
    plain = isinstance(value, (*_PLAIN, list, tuple, dict))
    return plain or (callable(value) and not isinstance(value, nn.Module))


def _text(value: Any) -> Any:
    """Return a plain value, or the description of another one without memory addresses."""
    if isinstance(value, _PLAIN):
        return value
    if callable(value) and not isinstance(value, nn.Module):
        held = values_of(value)
        return f"{name_of(value)}({held})" if held else name_of(value)
    if isinstance(value, list | tuple | dict):
        return _ADDRESS.sub("", repr(cast(object, value)))
    return type(value).__qualname__


def _parts(code: CodeType) -> tuple[Any, ...]:
    """Return the instructions, names and constants of a function and of its inner functions."""
    constants = [_parts(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, constants
