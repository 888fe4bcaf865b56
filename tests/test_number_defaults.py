"""Test that no code takes a default for a number that is 0, as ``number or default`` does."""

import ast
from functools import cache
from pathlib import Path

import pytest

import advlearn

FILES = sorted(Path(advlearn.__file__).parent.rglob("*.py"))
NUMBERS = {"int", "float", "Count", "Natural", "Seed", "Positive", "NonNegative", "Share"}


@cache
def _numeric_names() -> set[str]:
    """Return the names of constants, and of parameters and fields annotated as numbers or None."""
    names: set[str] = set()
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.arg) and node.annotation is not None:
                name, annotation = node.arg, node.annotation
            elif isinstance(node, ast.Assign) and _is_number(node.value, set()):
                # A constant such as EVERY = 1000.
                names |= {t.id for t in node.targets if isinstance(t, ast.Name) and t.id.isupper()}
                continue
            elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                name, annotation = node.target.id, node.annotation
            else:
                continue
            parts = {part.strip() for part in ast.unparse(annotation).split("|")} - {"None"}
            if parts and parts <= NUMBERS:
                names.add(name)
    return names


def _is_number(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, ast.Constant):
        return isinstance(node.value, int | float) and not isinstance(node.value, bool)
    called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    if called and node.func.id in ("int", "float"):
        return True
    return getattr(node, "attr", getattr(node, "id", None)) in names


def defaults_by_truth(source: str, names: set[str]) -> list[int]:
    """Return the lines with ``a or b`` of numbers where the value, not its truth, is used."""
    tree = ast.parse(source)
    tests = [
        part
        for node in ast.walk(tree)
        for part in (
            getattr(node, "test", None),
            node.operand if isinstance(node, ast.UnaryOp) else None,
            *(node.ifs if isinstance(node, ast.comprehension) else ()),
        )
        if part is not None
    ]
    truths = {id(inner) for test in tests for inner in ast.walk(test)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.BoolOp)
        and isinstance(node.op, ast.Or)
        and id(node) not in truths
        and _is_number(node.values[-1], names)
    ]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FILES[0].parent)))
def test_a_number_of_zero_is_no_reason_for_a_default(file):
    assert defaults_by_truth(file.read_text(), _numeric_names()) == []


def test_a_default_for_zero_is_found():
    assert defaults_by_truth("rate = lr or defaults.lr", {"lr"}) == [1]
    assert defaults_by_truth("steps = steps or 5", set()) == [1]
    assert defaults_by_truth("if lr or steps:\n    pass", {"lr", "steps"}) == []
    assert defaults_by_truth("name = name or 'x'", {"lr"}) == []
