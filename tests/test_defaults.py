"""Test that no default changes by accident: the defaults of every public name are in a file.

After a change on purpose, write the file with ``python -m tests.test_defaults`` and say in the
changelog what changed.
"""

import enum
import importlib
import inspect
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from advlearn import kinds

FILE = Path(__file__).with_name("defaults.json")
PACKAGES = (
    *("advlearn", "advlearn.core", "advlearn.data", "advlearn.nets", "advlearn.metrics"),
    *("advlearn.imitation", "advlearn.sklearn", "advlearn.training", "advlearn.plots"),
    *("advlearn.critics", "advlearn.testing"),
)
PLAIN = (bool, int, float, str, type(None))


def public() -> Iterator[Any]:
    """Yield the classes and functions that users call."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        yield from (getattr(module, name) for name in module.__all__)
    for item in kinds.items():
        yield getattr(item.target, "make", item.target)


def plain(value: Any) -> Any:
    """Return a value in the form that JSON holds, or the name of its kind."""
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, PLAIN) else type(value).__name__


def defaults_of(function: Any) -> dict[str, Any]:
    """Return the defaults of a function's parameters."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}
    return {p.name: plain(p.default) for p in parameters if p.default is not p.empty}


def found() -> dict[str, dict[str, Any]]:
    """Return the defaults of every public function, class and method of ours that has some."""
    held: dict[str, dict[str, Any]] = {}
    for value in public():
        home = str(getattr(value, "__module__", ""))
        if not callable(value) or not home.startswith("advlearn"):
            continue
        name = f"{home}.{getattr(value, '__qualname__', type(value).__name__)}"
        held[name] = defaults_of(value)
        if inspect.isclass(value):
            own = {k: v for k, v in vars(value).items() if not k.startswith("_")}
            held |= {
                f"{name}.{k}": defaults_of(getattr(value, k))
                for k, v in own.items()
                if inspect.isfunction(v) or isinstance(v, classmethod | staticmethod)
            }
    return {name: values for name, values in sorted(held.items()) if values}


def test_the_defaults_are_those_of_the_file() -> None:
    now = found()
    # A new name needs no row until its file is written again.
    expected = json.loads(FILE.read_text())
    changed = {name: (was, now.get(name)) for name, was in expected.items() if now.get(name) != was}
    assert not changed


if __name__ == "__main__":
    FILE.write_text(json.dumps(found(), indent=1) + "\n")
