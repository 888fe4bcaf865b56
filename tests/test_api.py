"""The public surface: small, documented, cheap to import."""

import inspect
import subprocess
import sys

import pytest

import advlearn
from advlearn import testing

HEAVY = (
    "torchvision",
    "ot",
    "sklearn",
    "matplotlib",
    "tensorboard",
    "rich",
    "PIL",
    "scipy",
    "typer",
    "stable_baselines3",
)


def test_there_are_at_most_twelve_public_names() -> None:
    assert len(advlearn.__all__) <= 12
    assert sorted(advlearn.__all__, key=str.lower) == sorted(set(advlearn.__all__), key=str.lower)
    assert all(getattr(advlearn, name) is not None for name in advlearn.__all__)


def test_an_unknown_name_is_no_public_one() -> None:
    with pytest.raises(AttributeError, match="'advlearn' has no attribute 'tune'"):
        _ = advlearn.tune  # type: ignore[attr-defined]


def test_fit_takes_at_most_twelve_keywords() -> None:
    parameters = inspect.signature(advlearn.fit).parameters.values()
    assert len(parameters) <= 12
    assert not [p.name for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    assert all(p.default is not p.empty for p in parameters), "every keyword has a default"


@pytest.mark.parametrize(
    "package", ["advlearn", "advlearn.core.trainer", "advlearn.objectives", "advlearn.core.discovery"]
)
def test_importing_it_brings_nothing_heavy(package: str) -> None:
    look = f"import sys, {package}; print(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "error", "-c", look], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    # What torch itself imports is not ours to keep out.
    bare = "import sys, torch; print(*[m for m in sys.modules])"
    torch_brings = subprocess.run(
        [sys.executable, "-c", bare], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not set(done.stdout.split()) - set(torch_brings)


def test_resolving_every_name_brings_nothing_heavy() -> None:
    look = (
        "import sys; from advlearn.core import discovery; [e.make() for e in discovery.entries().values()]; "
        f"print(*[m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert not done.stdout.split()


PUBLIC = [getattr(advlearn, name) for name in advlearn.__all__] + [getattr(testing, name) for name in testing.__all__]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda t: t.__name__)
def test_every_public_object_says_what_it_is(thing: object) -> None:
    doc = inspect.getdoc(thing)
    assert doc and doc.splitlines()[0].endswith((".", "?"))
    # Methods of a class say so themselves, or share the words of the one they implement.
    for name, member in vars(thing).items() if inspect.isclass(thing) else ():
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
            assert any((getattr(base, name, None) or member).__doc__ for base in thing.__mro__), f"{thing}.{name}"


@pytest.mark.parametrize("thing", [t for t in PUBLIC if inspect.isfunction(t)], ids=lambda t: t.__name__)
def test_every_argument_of_a_public_function_is_documented(thing: object) -> None:
    doc = inspect.getdoc(thing) or ""
    missing = [p for p in inspect.signature(thing).parameters if f"\n    {p}: " not in doc]  # type: ignore[arg-type]
    assert not missing
