"""Test rules of the source: allowed imports, lengths of files, and the sources of methods."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import advlearn
from advlearn.core.described import Reference

ROOT = Path(advlearn.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
METHODS = [
    f
    for f in FILES
    if f.parent.name in ("games", "objectives", "regularizers") and not f.name.startswith("_")
]
# Package to the other parts of advlearn that it may import.
ALLOWED = {
    "core": {"_lazy"},
    "functional": {"core"},
    "games": {"core", "_lazy"},
    "regularizers": {"core", "functional", "_lazy"},
    "objectives": {"core", "functional", "regularizers", "_lazy", "_optional_imports"},
    "methods": {"core"},
    "metrics": {"core", "functional", "nets", "data", "_optional_imports"},
    "nets": {"core"},
    "data": {"core", "_optional_imports"},
    # `semi_supervised` has its own objective, and `unpaired_translation` adds an image pool to
    # every objective.
    "critics": {"core", "nets"},
    "tasks": {
        "core",
        "critics",
        "nets",
        "data",
        "objectives",
        "regularizers",
        "_lazy",
        "_optional_imports",
    },
    "training": {"core", "data", "_optional_imports", "__version__"},
    "plots": {"core", "training", "data", "metrics"},
    "page": {"core", "training"},
    "imitation": {"core", "critics", "nets", "training", "data", "page", "_lazy"},
}
LONGEST, LONGEST_TRAINER = 350, 300


def name(path: Path) -> str:
    return str(path.relative_to(ROOT.parent))


def imports(path: Path) -> Iterator[str]:
    """Return the full name of every module that a file imports anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name(path)}: imports are absolute"
            module = node.module or ""
            yield from (f"{module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_lies_below_it(package: str) -> None:
    allowed = {package, *ALLOWED[package]}
    wrong = [
        f"{name(path)}: {module}"
        for path in (ROOT / package).rglob("*.py")
        for module in imports(path)
        if module.startswith("advlearn")
        and (module.split(".")[1:2] or ["advlearn"])[0] not in allowed
    ]
    assert not wrong


def test_every_package_has_a_rule_or_is_at_the_top() -> None:
    packages = {f.parent.relative_to(ROOT).parts[0] for f in FILES if f.parent != ROOT}
    assert packages - ALLOWED.keys() <= {"lab", "testing", "sklearn"}


@pytest.mark.parametrize("path", METHODS, ids=name)
def test_losses_do_not_run_the_loop(path: Path) -> None:
    assert not [m for m in imports(path) if m.startswith("torch.optim")]
    touched = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)]
    assert "torch.optim" not in {ast.unparse(n) for n in touched}
    assert not {n.attr for n in touched} & {"backward", "zero_grad"}


@pytest.mark.parametrize("path", METHODS, ids=name)
def test_random_numbers_are_only_drawn_jointly(path: Path) -> None:
    """Numbers drawn by ``torch.rand`` would differ between one process and several."""
    calls = [
        ast.unparse(n.func)
        for n in ast.walk(ast.parse(path.read_text()))
        if isinstance(n, ast.Call)
    ]
    drawn = {
        "torch.rand",
        "torch.randn",
        "torch.randint",
        "torch.randperm",
        "torch.rand_like",
        "torch.randn_like",
    }
    assert not drawn & set(calls)


@pytest.mark.parametrize("path", METHODS, ids=name)
def test_each_method_names_its_source(path: Path) -> None:
    module = __import__(f"advlearn.{path.parent.name}.{path.stem}", fromlist=["REFERENCE"])
    assert isinstance(module.REFERENCE, Reference)
    assert all((module.REFERENCE.title, module.REFERENCE.authors, module.REFERENCE.equation))
    assert module.REFERENCE.url.startswith("https://")


@pytest.mark.parametrize("path", METHODS, ids=name)
def test_a_class_is_final_or_abstract(path: Path) -> None:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and [ast.unparse(b) for b in node.bases] != [
            "NamedTuple"
        ]:
            assert "final" in map(ast.unparse, node.decorator_list), f"{node.name} is not final"


def test_no_file_is_too_long() -> None:
    lengths = {name(f): len(f.read_text().splitlines()) for f in FILES}
    assert not {f: n for f, n in lengths.items() if n > LONGEST}
    assert lengths["advlearn/core/trainer.py"] <= LONGEST_TRAINER


def test_heavy_packages_are_imported_inside_functions() -> None:
    heavy = (
        "torchvision",
        "ot",
        "sklearn",
        "skimage",
        "pandas",
        "matplotlib",
        "rich",
        "tensorboard",
        "stable_baselines3",
    )
    heavy += ("torch.utils.tensorboard",)
    # `advlearn.sklearn` and `advlearn.imitation` derive from classes of an optional package, so
    # their users have it installed.
    rooms = ("sklearn", "imitation")
    for path in (f for f in FILES if not set(rooms) & set(f.relative_to(ROOT).parts)):
        for node in ast.parse(path.read_text()).body:
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [
                n for n in names if n in heavy or n.startswith(tuple(f"{h}." for h in heavy))
            ], name(path)
