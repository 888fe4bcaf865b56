"""Test that each argument of each public call is taken, or refused in one line that names it."""

import functools
import inspect
import re
import types
import typing
import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.base import BaseEstimator

from advlearn.core import registry
from advlearn.core.arguments import hints_of
from advlearn.core.finite import NonFiniteError
from advlearn.data import folders
from tests.reliability.argument_examples import (
    EXAMPLES,
    SMALL,
    callables,
    fair_data,
    named_parameters,
    run,
)

BAD = {
    "a word": "no-such-thing",
    "an empty text": "",
    "None": None,
    "NaN": float("nan"),
    "infinity": float("inf"),
    "a negative number": -1,
    "zero": 0,
    "a huge number": 10**12,
    "a number beyond floats": 10**400,
    "a fraction": 1.5,
    "a numpy fraction": np.float64(0.5),
    "a numpy number": np.int64(2),
    "a bool": True,
    "a numpy bool": np.bool_(False),
    "a complex number": 1j,
    "an empty list": [],
    "a list of texts": ["no-such-thing"],
    "a dict": {"no-such-thing": 1},
    "a masked array": np.ma.masked_array([[1.0, 2.0]], [[False, True]]),
    "another object": object(),
}
# Values that a plain annotation never takes, by the annotation.
NEVER = {
    bool: ("a word", "an empty text", "zero", "NaN", "a fraction", "a complex number"),
    int: ("a word", "an empty text", "NaN", "infinity", "a bool", "a complex number", "a fraction"),
    float: ("a word", "an empty text", "NaN", "infinity", "a bool", "a complex number"),
    str: ("an empty text", "zero", "a bool", "another object", "an empty list"),
}
NEVER[int] += ("a huge number", "a number beyond floats", "an empty list", "a masked array")
NEVER[float] += ("a number beyond floats", "an empty list", "a masked array", "another object")
NEVER[bool] += ("an empty list", "another object", "a dict", "a masked array")
# The errors of a refusal: OSError for a file that is missing, ImportError for an optional package.
REFUSALS = (TypeError, ValueError, OSError, ImportError)

# Valid, and takes minutes: the steps of a method, and compilation.
TOO_LONG = {("steps", "None"), ("compile", "a bool")}
# What a message calls an argument of a function that serves an argument of `fit` or of a spec.
ALSO_CALLED = {
    **dict.fromkeys(("source", "sources", "target", "x", "y", "a", "b", "mean"), "data"),
    **dict.fromkeys(("spec", "base", "resolve.name", "cite.name"), "objective"),
    "stored": "data",
    "max_bytes": "demonstrations",
    "values": "hinge",
    "encode_attribute.n": "hinge",
    "encode_attribute_like.n": "hinge",
    "encode_attribute_like.labels": "hinge",
    "table.sensitive": "no-such-thing",
    # A column without a name is called so.
    "disparity.sensitive_features": "sensitive",
    "table.y": "labels|classes",
    "prior.name": "prior",
    "find_architecture.name": "architecture",
    "find_architecture.shape": "architecture",
    "load_reward.path": "checkpoint",
    "from_huggingface.dataset": "trajectories|demonstrations",
    "from_trajectories.trajectories": "demonstrations",
    "register.thing": "register",
    # A keyword of the policy that stable-baselines3 builds.
    "DevicePPO.policy_kwargs": "unexpected keyword argument",
    # The networks of the example no longer fit the changed size.
    "Disentangle.codes": "generator",
    "Disentangle.continuous": "generator",
    "TabularDataset.classes": "labels",
    "Generate.classes": "labels",
    "representation.from_data.labels": "classes",
    "representation.from_data.latent": "outputs",
}

ENTRIES = dict(callables())
ENTRIES |= {f"{name}.from_data": cls.from_data for name, cls in registry.tasks().items()}
ENTRIES |= {f"Run.{name}": None for name in ("sample", "save")}


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def entry(label: str) -> Any:
    """Return the callable with a label."""
    owner, _, method = label.partition(".")
    call = getattr(run(), method) if owner == "Run" and method else ENTRIES[label]
    return fitted(call) if inspect.isclass(call) and issubclass(call, BaseEstimator) else call


def fitted(cls: Any) -> Any:
    """Return a function that fits an estimator with the given settings."""
    x, y, group = fair_data()
    protects = "Fair" in cls.__name__ or "Group" in cls.__name__
    extra = {"sensitive_features": group} if protects else {}
    if "Domain" in cls.__name__:
        extra = {"sample_domain": 2 * group - 1}

    @functools.wraps(cls.__init__)
    def fit(_: Any = None, **settings: Any) -> None:
        quick = {"steps": 1} if "steps" in inspect.signature(cls).parameters else {}
        cls(**{**quick, **settings}).fit(x, y, **extra)

    fit.__signature__ = inspect.signature(cls)
    return fit


def base_arguments(label: str, call: Any) -> dict[str, Any]:
    """Return the arguments of a valid call."""
    arguments: dict[str, Any] = {}
    for parameter in named_parameters(call):
        name = parameter.name
        example = EXAMPLES.get(f"{label}.{name}")
        if parameter.default is parameter.empty or name in SMALL:
            example = example or EXAMPLES.get(name)
        if example is not None:
            arguments[name] = example()
    if label.endswith(".from_data"):
        arguments["data"] = registry.tasks()[label.partition(".")[0]].example_data()
    if call in registry.tasks().values():
        return constructor_arguments(call)
    for name in ("path", "folder"):
        if name in inspect.signature(call).parameters:
            arguments.setdefault(name, "out.png")
    return arguments


@functools.cache
def example_task(cls: Any) -> Any:
    """Return a task with the networks that fit its example data."""
    return cls.from_data(cls.example_data(), **cls.example_options[0])


def constructor_arguments(cls: Any) -> dict[str, Any]:
    """Return arguments of a task's constructor."""
    return dict(example_task(cls)._arguments)


def invoke(call: Any, arguments: dict[str, Any]) -> None:
    """Call with arguments; those that are positional only come first."""
    first = [p.name for p in named_parameters(call) if p.kind is p.POSITIONAL_ONLY]
    positional = [arguments.pop(name) for name in first if name in arguments]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        call(*positional, **arguments)


def complaint(label: str, call: Any, name: str, value: Any) -> str | None:
    """Return the message with which a call refuses a value, or None if it takes the value."""
    try:
        invoke(call, {**base_arguments(label, call), name: value})
    except REFUSALS as error:
        return str(error)
    except NonFiniteError:
        # A number that is finite and useless; the training stops by itself.
        return None
    return None


def plain_hint(call: Any, name: str) -> Any:
    """Return the plain type of a parameter, such as int; None for any other annotation."""
    if inspect.isclass(call):
        call = call.__init__
    hint = hints_of(call).get(name)
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        hint = parts[0] if len(parts) == 1 else None
    if typing.get_origin(hint) is typing.Annotated:
        hint = typing.get_args(hint)[0]
    return hint if hint in NEVER else None


def is_same(value: Any, default: Any) -> bool:
    """Return whether a value is the default of a parameter, which is always taken."""
    both_nan = isinstance(default, float) and default != default and value != value
    return both_nan or (isinstance(value, str) and value == default)


def names_it(message: str, label: str, name: str, call: Any) -> bool:
    """Return whether a message names the argument, or starts with another one of the call."""
    also = ALSO_CALLED.get(f"{label}.{name}", ALSO_CALLED.get(name, name))
    others = [parameter.name for parameter in named_parameters(call)]
    return bool(re.search(rf"\b({name}|{also})\b", message)) or message.split(":")[0] in others


# The entries that read a data set, and its folder.
OF_DATA = {"adult": "adult", "german_credit": "german-credit"}


def skip_without_data(label):
    place = OF_DATA.get(label)
    if place and not any(any((folder / place).glob("*")) for folder in folders()):
        pytest.skip(f"needs {place} in a data folder, and tests download nothing")


@pytest.mark.parametrize("label", ENTRIES)
def test_every_argument_is_taken_or_refused_in_one_line_that_names_it(label):
    skip_without_data(label)
    call = entry(label)
    wrong = []
    for parameter in named_parameters(call):
        name = parameter.name
        if name.startswith("_"):
            continue
        never = NEVER.get(plain_hint(call, name), ())
        for kind, value in BAD.items():
            if (name, kind) in TOO_LONG:
                continue
            try:
                message = complaint(label, call, name, value)
            except Exception as error:
                wrong += [f"{name}={kind}: {type(error).__name__}: {error}"]
                continue
            if message is None:
                is_default = is_same(value, parameter.default)
                wrong += [f"{name}={kind}: is taken"] * (kind in never and not is_default)
            elif "\n" in message or not names_it(message, label, name, call):
                wrong += [f"{name}={kind}: {message}"]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("label", ENTRIES)
def test_the_example_call_is_valid(label):
    skip_without_data(label)
    if label == "from_hdf5":
        pytest.importorskip("h5py")
    call = entry(label)
    invoke(call, base_arguments(label, call))
