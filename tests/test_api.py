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
    "gymnasium",
)


def test_there_are_at_most_twelve_public_names() -> None:
    assert len(advlearn.__all__) <= 12
    assert sorted(advlearn.__all__, key=str.lower) == sorted(set(advlearn.__all__), key=str.lower)
    assert all(getattr(advlearn, name) is not None for name in advlearn.__all__)


def test_an_unknown_name_is_no_public_one() -> None:
    with pytest.raises(AttributeError, match="'advlearn' has no attribute 'tune'"):
        _ = advlearn.tune  # type: ignore[attr-defined]


def test_every_keyword_of_fit_has_a_default() -> None:
    parameters = inspect.signature(advlearn.fit).parameters.values()
    assert not [p.name for p in parameters if p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
    assert all(p.default is not p.empty for p in parameters), "every keyword has a default"


@pytest.mark.parametrize(
    "use",
    [
        "import advlearn",
        "from advlearn.core import registry; [e.make() for e in discovery.entries().values()]",
    ],
)
def test_importing_it_and_naming_things_brings_nothing_heavy(use: str) -> None:
    # What torch itself imports is not ours to keep out.
    look = f"import sys, torch; before = set(sys.modules); {use}; print(*(set(sys.modules) - before) & set({HEAVY!r}))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", look], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split()


PUBLIC = [getattr(advlearn, name) for name in advlearn.__all__] + [
    getattr(testing, name) for name in testing.__all__
]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda t: t.__name__)
def test_every_public_object_says_what_it_is(thing: object) -> None:
    doc = inspect.getdoc(thing)
    assert doc and doc.splitlines()[0].endswith((".", "?"))
    # Methods of a class say so themselves, or share the words of the one they implement.
    for name, member in vars(thing).items() if inspect.isclass(thing) else ():
        if not name.startswith("_") and (
            inspect.isfunction(member) or isinstance(member, property)
        ):
            assert any((getattr(base, name, None) or member).__doc__ for base in thing.__mro__), (
                f"{thing}.{name}"
            )


@pytest.mark.parametrize(
    "thing", [t for t in PUBLIC if inspect.isfunction(t)], ids=lambda t: t.__name__
)
def test_every_argument_of_a_public_function_is_documented(thing: object) -> None:
    doc = inspect.getdoc(thing) or ""
    missing = [p for p in inspect.signature(thing).parameters if f"\n    {p}: " not in doc]  # type: ignore[arg-type]
    assert not missing
