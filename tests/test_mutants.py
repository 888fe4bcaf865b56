"""The mutants that `make mutants` draws: each operator by hand, and the listed survivors."""

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".ci" / "mutants"


@pytest.fixture
def mutations(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import the module that lists mutants, where the tests run in a checkout."""
    if not FOLDER.exists():
        pytest.skip("not a checkout")
    monkeypatch.syspath_prepend(str(FOLDER))
    return importlib.import_module("mutations")


def changes(mutations: Any, folder: Path, code: str) -> set[str]:
    """Return the changed form of a file of one line, for each of its mutants."""
    (folder / "a.py").write_text(code + "\n")
    return {ast.unparse(mutations.mutated(folder, m)) for m in mutations.mutants(folder, "a.py")}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("a < b", {"a <= b"}),
        ("a is b", {"a is not b"}),
        ("a / b", {"a * b"}),
        ("a + b", {"a - b", "a"}),
        ("a ** 2", {"a * 2", "a ** 3"}),
        ("a and b", {"a or b"}),
        ("not a", {"a"}),
        ("-a", {"a"}),
        ("x = 0.5", {"x = 0.75"}),
        ("x = True", {"x = False"}),
        ("a += b", {"pass", "a -= b"}),
        ("f(a)", {"pass"}),
        ("x = f(a, b)", {"x = f(b, a)"}),
        ("x = a.detach()", {"x = a"}),
        ("x = a.mean()", {"x = a.sum()"}),
        ("x = range(n)", {"x = range(n - 1)"}),
        ("x = 1 if a else b", {"x = 2 if a else b", "x = 1 if not a else b"}),
        # Nothing that a test has to detect.
        ("x: f(1, 2) = a", set()),
        ('"""A sum: 1 + 2."""', set()),
        ("raise ValueError(f'{a + 1}')", set()),
        ("x = a / 1e-12", {"x = a * 1e-12"}),
        ("x = 'a' + b", set()),
        ("class A(Protocol): x = 1", set()),
    ],
)
def test_each_operator_has_its_mutants(
    code: str, expected: set[str], mutations: Any, tmp_path: Path
) -> None:
    assert changes(mutations, tmp_path, code) == expected


def test_names_stay_the_same_when_lines_move(mutations: Any, tmp_path: Path) -> None:
    code = "def f(a):\n    if a > 1:\n        return a > 1\n    return a\n"
    names = []
    for text in (code, f"x = 1\n\n\n{code}"):
        (tmp_path / "a.py").write_text(text)
        found = [m for m in mutations.mutants(tmp_path, "a.py") if "::f" in m.name]
        names.append([(m.name, m.statement) for m in found])
    assert names[0] == names[1] and len(set(names[0])) == 4
    assert names[0][0] == ("a.py::f: comparison: a > 1 -> a >= 1", "a.py::f::if a > 1:")
    assert names[0][2] == ("a.py::f: comparison: a > 1 -> a >= 1 (2)", "a.py::f::return a > 1")


def test_every_accepted_survivor_is_a_mutant_of_the_code_and_has_a_reason(mutations: Any) -> None:
    accepted = json.loads((FOLDER / "accepted.json").read_text())
    for name, reason in accepted.items():
        file = name.partition("::")[0]
        assert name in {m.name for m in mutations.mutants(ROOT, file)}, f"no longer exists: {name}"
        assert len(reason.split()) > 3, f"no reason: {name}"
