"""A task's configuration: its constructor's arguments, and the options of `from_data`."""

import functools
import importlib
import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar, cast

import torch
from torch import Tensor, nn

from advlearn.core.naming import suggestion

T = TypeVar("T")
PLAIN = (str, int, float, bool, type(None))
# The networks package is above this one, so it is loaded by name when a config is read.
NETWORKS = "advlearn.nets"


class Option(NamedTuple):
    """One option of a task's `from_data`.

    Attributes:
        type: Its annotation.
        default: Its default value.
        doc: Its description, on one line; empty if there is none.
    """

    type: Any
    default: Any
    doc: str


class _NoPlainFormError(Exception):
    """Raised for an argument that has no plain form."""


def remembering(init: Callable[..., None]) -> Callable[..., None]:
    """Wrap a constructor so that the object stores its arguments, defaults included."""
    signature = inspect.signature(init)

    @functools.wraps(init)
    def wrapped(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        bound = signature.bind(self, *args, **kwargs)
        bound.apply_defaults()
        # A plain dict: modules in it are not registered a second time.
        self._arguments = dict(list(bound.arguments.items())[1:])

    return wrapped


def to_config(task: nn.Module) -> dict[str, Any] | None:
    """Return the arguments of a task as plain values, or None if one has no plain form."""
    arguments = cast(dict[str, Any], getattr(task, "_arguments", {}))
    try:
        return {name: _plain(value) for name, value in arguments.items()}
    except _NoPlainFormError:
        return None


def from_config(cls: type[T], config: Mapping[str, Any]) -> T:
    """Build an object of `cls` from what `to_config` returned."""
    arguments = {name: _value(plain) for name, plain in config.items()}
    parameters = inspect.signature(cls).parameters.values()
    positional = [p.name for p in parameters if p.kind is p.POSITIONAL_ONLY]
    return cls(*(arguments.pop(name) for name in positional), **arguments)


def options(cls: type) -> dict[str, Option]:
    """Return the options of a class's `from_data`; with ``**settings`` the constructor's too."""
    build, docs = cast(Any, cls).from_data, {**_docs(cls), **_docs(cast(Any, cls).from_data)}
    parameters = inspect.signature(build).parameters
    chosen = {p.name: p for p in parameters.values() if p.kind is p.KEYWORD_ONLY}
    if any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        from_data = cast(tuple[str, ...], cast(Any, cls).data_settings)
        settings = inspect.signature(cls).parameters.values()
        taken = {*from_data, *chosen}
        chosen |= {p.name: p for p in settings if p.name not in taken and _is_setting(p)}
    return {name: Option(p.annotation, p.default, docs.get(name, "")) for name, p in chosen.items()}


def check_options(cls: type, given: Mapping[str, Any]) -> None:
    """Raise a ValueError that names the first option that a task's `from_data` does not have."""
    known = options(cls)
    # A task is named after its file.
    task = cls.__module__.rpartition(".")[2]
    for name in given:
        if name not in known:
            hint = suggestion(name, known, otherwise=f"its options: {', '.join(known)}", count=1)
            raise ValueError(f"task: {task} has no option {name!r}; {hint}")


def _is_setting(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter is a setting: a keyword with a default, not a module."""
    annotation = parameter.annotation
    takes_module = any(
        isinstance(kind, type) and issubclass(kind, nn.Module | Tensor)
        for kind in (annotation, *getattr(annotation, "__args__", ()))
    )
    keyword = parameter.kind is parameter.KEYWORD_ONLY
    return keyword and parameter.default is not parameter.empty and not takes_module


def _docs(documented: Any) -> dict[str, str]:
    """Return the descriptions in the ``Args`` section of a docstring, by name."""
    section = re.search(r"^Args:\n((?:[ ]+.*\n?|\n)*)", inspect.getdoc(documented) or "", re.M)
    pattern = r"^    (\*{0,2}\w+): ((?:.|\n(?!    \*{0,2}\w+: ))*)"
    entries = re.findall(pattern, section[1] if section else "", re.M)
    return {name: " ".join(text.split()) for name, text in entries}


def _plain(value: Any) -> Any:
    if isinstance(value, PLAIN):
        return value
    if isinstance(value, importlib.import_module(NETWORKS).Network):
        return value.config()
    if isinstance(value, Tensor):
        return {"tensor": list(value.shape)}
    if isinstance(value, Mapping):
        return {"mapping": {str(k): _plain(v) for k, v in cast(Any, value).items()}}
    if isinstance(value, Sequence | nn.ModuleList):
        return [_plain(part) for part in cast(Any, value)]
    raise _NoPlainFormError


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return [_value(part) for part in cast(list[Any], plain)]
    if not isinstance(plain, dict):
        return plain
    if "net" in plain:
        return importlib.import_module(NETWORKS).build(plain)
    if "tensor" in plain:
        return torch.zeros(cast(list[int], plain["tensor"]))
    return {k: _value(v) for k, v in cast(Any, plain["mapping"]).items()}
