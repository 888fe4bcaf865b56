"""The type stubs of the lazy packages list what the packages expose."""

import ast
import importlib
import runpy
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / ".ci" / "lazy_stubs.py"


@pytest.fixture(scope="module")
def script() -> dict[str, object]:
    """The names of the script that writes the stubs, where the tests run in a checkout."""
    inside = subprocess.run(["git", "ls-files", "--error-unmatch", SCRIPT], cwd=ROOT, check=False)
    if inside.returncode:
        pytest.skip("not a git checkout")
    return runpy.run_path(str(SCRIPT))


def test_the_stubs_are_those_of_the_tracked_files(script: dict[str, object]) -> None:
    stubs: dict[Path, str] = script["stubs"]()  # type: ignore[operator]
    old = [path for path, text in stubs.items() if path.read_text(encoding="utf-8") != text]
    assert not old, f"out of date: {old}; run `make stubs`"


@pytest.mark.parametrize("package", ["core", "games", "objectives", "regularizers", "tasks"])
def test_every_name_of_a_stub_is_that_of_the_package(package: str) -> None:
    module = importlib.import_module(f"advlearn.{package}")
    path = Path(module.__file__ or "").with_suffix(".pyi")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom)]
    assert imports
    for node in imports:
        source = importlib.import_module(node.module or "")
        for alias in node.names:
            assert alias.asname == alias.name  # a stub exports only names imported as themselves
            assert getattr(module, alias.name) is getattr(source, alias.name)


def test_a_file_that_git_does_not_track_is_not_listed(script: dict[str, object]) -> None:
    objectives = ROOT / "advlearn" / "objectives"
    text: str = script["stub"]("advlearn.objectives", {objectives / "hinge.py"})  # type: ignore[operator]
    assert "import Hinge as Hinge" in text and "Wasserstein" not in text
