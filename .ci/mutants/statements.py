"""Name the statements of a file, and record which of them a test runs.

The name of a statement is its file, its function and its first line of code, so that it stays the
same when other lines move. Statements of one function with the same code share a name.
"""

import ast
from collections.abc import Sequence

# The name of the bytes that a recorded file marks.
MARKS = "_advlearn_marks"


def key(file: str, function: str, statement: ast.stmt | None) -> str:
    """Return the name of a statement, or of a function or a module where there is none."""
    if statement is None:
        return f"{file}::{function}"
    return f"{file}::{function}::{ast.unparse(statement).partition(chr(10))[0].strip()}"


def body_without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    """Return the statements of a body after its docstring."""
    first = body[0] if body else None
    is_text = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return body[1:] if is_text else body


def skipped_decorator(node: ast.FunctionDef) -> bool:
    """Return whether a function only declares: overloads and abstract methods."""
    names = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list}
    return bool(names & {"overload", "abstractmethod"})


def recorded(source: str, file: str, keys: dict[str, int]) -> ast.Module:
    """Return the tree of a file in which each statement of a function sets its mark.

    Args:
        source: The code of the file.
        file: The file, relative to the root of the repository.
        keys: The names known so far to their numbers; the names of this file are added.
    """
    tree = ast.parse(source)
    _mark_children(tree, file, "", keys)
    return ast.fix_missing_locations(tree)


def _mark_children(node: ast.AST, file: str, function: str, keys: dict[str, int]) -> None:
    for child in ast.iter_child_nodes(node):
        name = function
        if isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            name = f"{function}.{child.name}" if function else child.name
        _mark_children(child, file, name, keys)
    if isinstance(node, (ast.Module, ast.ClassDef)) or not function:
        return
    for field in ("body", "orelse", "finalbody"):
        statements = getattr(node, field, None)
        if isinstance(statements, list):
            setattr(node, field, _marked(statements, file, function, keys))


def _marked(
    statements: list[ast.stmt], file: str, function: str, keys: dict[str, int]
) -> list[ast.stmt]:
    after = body_without_docstring(statements)
    marked = list(statements[: len(statements) - len(after)])
    for statement in after:
        names = (key(file, function, statement), key(file, function, None))
        for name in names:
            number = keys.setdefault(name, len(keys))
            mark = ast.parse(f"{MARKS}[{number}] = 1").body[0]
            ast.copy_location(mark, statement)
            for part in ast.walk(mark):
                ast.copy_location(part, statement)
            marked.append(mark)
        marked.append(statement)
    return marked
