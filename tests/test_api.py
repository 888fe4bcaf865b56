"""Test that public names are sorted, documented and cheap to import."""

import importlib
import inspect

import pytest

import advlearn
from advlearn import testing
from tests.script_server import ScriptServer

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


def test_public_names_are_sorted_and_exist() -> None:
    assert sorted(advlearn.__all__, key=str.lower) == sorted(set(advlearn.__all__), key=str.lower)
    assert all(getattr(advlearn, name) is not None for name in advlearn.__all__)


def test_an_unknown_name_raises_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'advlearn' has no attribute 'tune'"):
        _ = advlearn.tune  # type: ignore[attr-defined]


def test_every_keyword_of_fit_has_a_default() -> None:
    parameters = inspect.signature(advlearn.fit).parameters.values()
    assert all(p.default is not p.empty or p.kind is p.VAR_KEYWORD for p in parameters)


@pytest.mark.parametrize(
    "use",
    [
        "import advlearn",
        "from advlearn.core import registry; [e.make() for e in registry.entries().values()]",
    ],
)
def test_importing_the_library_and_building_by_name_imports_nothing_heavy(
    use: str, torch_only: ScriptServer
) -> None:
    # Only imports that the library adds to those of torch count.
    look = (
        f"import sys, torch; before = set(sys.modules); {use}; "
        f"print(*(set(sys.modules) - before) & set({HEAVY!r}))"
    )
    done = torch_only.python("-W", "error", "-c", look)
    assert done.returncode == 0, done.stderr
    assert not done.stdout.split()


# Packages that need only the library's requirements.
PACKAGES = ("core", "data", "metrics", "nets", "objectives", "plots", "regularizers", "tasks")


@pytest.mark.parametrize("package", PACKAGES)
def test_every_name_that_a_package_exports_exists_and_is_documented(package: str) -> None:
    module = importlib.import_module(f"advlearn.{package}")
    assert inspect.getdoc(module)
    exported = {name: getattr(module, name) for name in getattr(module, "__all__", ())}
    objects = {n: o for n, o in exported.items() if inspect.isclass(o) or inspect.isfunction(o)}
    assert not [name for name, thing in objects.items() if not inspect.getdoc(thing)]


PUBLIC = [getattr(advlearn, name) for name in advlearn.__all__] + [
    getattr(testing, name) for name in testing.__all__
]


@pytest.mark.parametrize("thing", PUBLIC, ids=lambda t: t.__name__)
def test_every_public_object_is_documented(thing: object) -> None:
    doc = inspect.getdoc(thing)
    assert doc and doc.splitlines()[0].endswith((".", "?"))
    # A method has a docstring, or implements one that has.
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
    parameters = inspect.signature(thing).parameters.values()  # type: ignore[arg-type]
    names = [f"**{p.name}" if p.kind is p.VAR_KEYWORD else p.name for p in parameters]
    missing = [name for name in names if f"\n    {name}: " not in doc]
    assert not missing
