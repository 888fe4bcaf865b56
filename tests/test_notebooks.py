"""Test that the notebooks are valid, hold no outputs, and run."""

import ast
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.script_server import ScriptServer

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
# Run before the cells: `fit`, `imitate` and loops of many steps take a few steps each.
FEW_STEPS = """
import advlearn
import advlearn.imitation

def few(function, steps):
    return lambda *given, **named: function(*given, **{**named, **steps(*given)})

advlearn.fit = few(advlearn.fit, lambda *_: {"steps": 3})
advlearn.imitation.imitate = few(
    advlearn.imitation.imitate, lambda _, method="": {} if method == "bc" else {"steps": 2048}
)
_range = range  # the notebook's own loops
range = lambda *bounds: _range(3) if bounds[-1] >= 200 else _range(*bounds)
"""
KEYS = {
    "code": {"cell_type", "execution_count", "id", "metadata", "outputs", "source"},
    "markdown": {"cell_type", "id", "metadata", "source"},
}


def cells(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text())["cells"]


def code(path: Path) -> str:
    return "\n\n".join("".join(c["source"]) for c in cells(path) if c["cell_type"] == "code")


def run(path: Path, before: str, folder: Path, scripts: ScriptServer) -> str:
    """Run the code of a notebook in a folder, without the data folder."""
    environment = {k: v for k, v in os.environ.items() if k != "ADVLEARN_DATA"}
    done = scripts.python("-c", before + code(path), cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_five_notebooks_are_there() -> None:
    names = {path.stem for path in NOTEBOOKS}
    assert names == {"images", "adaptation", "fairness", "imitation", "heads"}


@by_name
def test_a_notebook_is_valid(path: Path) -> None:
    """Check what the schema of nbformat 4.5 requires of a notebook."""
    book = json.loads(path.read_text())
    assert set(book) == {"cells", "metadata", "nbformat", "nbformat_minor"}
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert book["metadata"]["kernelspec"] == {
        "display_name": "Python 3", "language": "python", "name": "python3",
    }  # fmt: skip
    for cell in book["cells"]:
        assert set(cell) == KEYS[cell["cell_type"]]
        assert all(isinstance(line, str) for line in cell["source"])
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    identities = [cell["id"] for cell in book["cells"]]
    assert len(set(identities)) == len(identities)


@by_name
def test_a_notebook_has_text_first_and_no_outputs(path: Path) -> None:
    first, *_ = cells(path)
    assert first["cell_type"] == "markdown"
    assert first["source"][0].startswith("# ")
    for cell in cells(path):
        if cell["cell_type"] == "code":
            assert cell["outputs"] == [] and cell["execution_count"] is None
            ast.parse("".join(cell["source"]))  # Python without commands of the notebook


@by_name
def test_a_notebook_runs_for_a_few_steps(path: Path, tmp_path: Path, scripts: ScriptServer) -> None:
    if path.stem == "imitation":
        pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    assert run(path, FEW_STEPS, tmp_path, scripts)


@pytest.mark.slow
@by_name
def test_a_notebook_runs_in_full(path: Path, tmp_path: Path, scripts: ScriptServer) -> None:
    assert run(path, "", tmp_path, scripts)
