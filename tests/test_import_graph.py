"""Test that no imports form a circle and that no package uses a private module of another."""

import ast
from functools import cache
from pathlib import Path

import advlearn

ROOT = Path(advlearn.__file__).parent
FILES = {
    ".".join(f.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__"): f
    for f in sorted(ROOT.rglob("*.py"))
}


def imported(path: Path) -> set[str]:
    """Return every module of the library that a file imports anywhere in it."""
    modules = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                deeper = f"{node.module}.{alias.name}"
                modules.add(deeper if deeper in FILES else node.module)
    return {name for name in modules if name in FILES}


@cache
def graph() -> dict[str, set[str]]:
    """Return the modules that each module imports."""
    # The top package names its attributes for type checkers only; it imports them on first use.
    return {name: imported(path) - {name} for name, path in FILES.items() if name != "advlearn"}


def circles() -> list[list[str]]:
    """Return the strongly connected modules, by Tarjan's algorithm."""
    index, low, stack, found = dict[str, int](), dict[str, int](), list[str](), list[list[str]]()

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in graph().get(name, ()):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            members = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(members) > 1:
                found.append(sorted(members))

    for name in graph():
        if name not in index:
            visit(name)
    return found


def test_no_module_imports_another_in_a_circle() -> None:
    assert not circles()


def test_private_modules_are_used_in_their_own_package_only() -> None:
    wrong = [
        f"{name}: {other}"
        for name, others in graph().items()
        for other in others
        if other.rpartition(".")[2].startswith("_")
        and other.rpartition(".")[0]
        not in (FILES[name].parent.name and package_of(name), "advlearn")
    ]
    assert not wrong


def package_of(name: str) -> str:
    return name if FILES[name].name == "__init__.py" else name.rpartition(".")[0]
