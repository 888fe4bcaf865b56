"""Test that the code and the commands of the README and the pages run, for a few steps."""

import os
import re
import shlex
import sys
from pathlib import Path

import pytest

from advlearn import catalogue
from tests.script_server import ScriptServer

ROOT = Path(__file__).parents[1]
# docs/imitation.md has its own test, which checks the files that its code writes.
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
    if page.name != "imitation.md"
]
STEPS = 3
# Run before the code of a page: `fit` trains for a few steps in place of the given number.
FEW_STEPS = f"""
import advlearn
_fit = advlearn.fit
advlearn.fit = lambda *args, **kw: _fit(*args, **{{**kw, "steps": {STEPS}, "callbacks": ()}})
"""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(), re.DOTALL)


def commands() -> list[tuple[str, str]]:
    """Return every `advlearn` command of the pages."""
    lines = [
        (page.name, line.partition("#")[0].strip())
        for page in (*PAGES, ROOT / "docs" / "imitation.md")
        for block in (*blocks(page, "sh"), *blocks(page, "bash"))
        for line in block.splitlines()
    ]
    # `advlearn lab` serves until Ctrl-C; tests/lab starts it and stops it.
    return sorted(
        {(n, line) for n, line in lines if line.startswith("advlearn ") and line != "advlearn lab"}
    )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, scripts: ScriptServer) -> None:
    code = blocks(page, "python")
    if not code:
        return
    environment = {k: v for k, v in os.environ.items() if k != "ADVLEARN_DATA"}
    done = scripts.python("-c", FEW_STEPS + "\n".join(code), cwd=tmp_path, env=environment)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_of_a_page_runs(
    page: str, line: str, tmp_path: Path, scripts: ScriptServer
) -> None:
    words = shlex.split(line)[1:]
    if words[0] == "fit":
        words = [*words, "--steps", str(STEPS)]
        if "--out" not in words:
            words += ["--out", "run"]
    program = Path(sys.executable).with_name("advlearn")
    done = scripts.run(program, *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr


def test_the_readme_has_every_method_by_field_and_no_other() -> None:
    table = (ROOT / "README.md").read_text().partition("## Methods by field")[2]
    rows = re.findall(r"^\| ([a-z-]+) \| (`.*`) \|$", table.partition("\n## ")[0], re.MULTILINE)
    listed = {field: re.findall(r"`([^`]+)`", names) for field, names in rows}
    known = {f.replace("_", "-"): [m.name for m in rows] for f, rows in catalogue.fields().items()}
    assert listed == known
