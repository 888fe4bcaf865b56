"""List the mutants of a Python file: small changes of its syntax tree that a test should detect.

Left out is what no test has to detect: annotations, messages of errors, docstrings, assertions that
serve the type checker, representations, and floats below 1e-5, which only keep a division finite.
"""

import ast
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from statements import body_without_docstring, key, skipped_decorator

COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.FloorDiv,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
# Functions and methods to the one that takes their place.
NAMES = {
    "mean": "sum",
    "sum": "mean",
    "min": "max",
    "max": "min",
    "amin": "amax",
    "amax": "amin",
    "minimum": "maximum",
    "maximum": "minimum",
    "argmin": "argmax",
    "argmax": "argmin",
    "any": "all",
    "all": "any",
    "floor": "ceil",
    "ceil": "floor",
    "zeros": "ones",
    "ones": "zeros",
    "zeros_like": "ones_like",
    "ones_like": "zeros_like",
}
# Methods whose call is replaced by the object.
REMOVED = {
    *("detach", "clamp", "clamp_min", "clamp_max", "abs", "square", "sqrt"),
    *("exp", "log", "sigmoid", "tanh", "neg"),
}
# Functions of two arguments that are the same in either order, or that fail at once when swapped.
UNORDERED = {
    *("min", "max", "minimum", "maximum", "allclose", "equal", "eq", "logaddexp", "mse_loss"),
    *(
        "isinstance",
        "issubclass",
        "getattr",
        "setattr",
        "hasattr",
        "cast",
        "range",
        "map",
        "filter",
    ),
}
# Keyword arguments that only choose how something is printed.
COSMETIC = {"stacklevel", "file", "flush", "indent", "width"}
SMALLEST = 1e-5
TYPE_NAMES = {"TypeVar", "ParamSpec", "NewType", "Literal"}


@dataclass(frozen=True)
class Mutant:
    """A change of one place of one file.

    Args:
        file: The file, relative to the root of the repository.
        name: The file, the function, the operator, the code before and after, and the count of
            the same change in that function: a name that stays the same as lines move.
        statement: The key of the innermost statement (see `statements.key`).
        line: The line of the changed code at present.
        index: The position of the change among those of the file.
    """

    file: str
    name: str
    statement: str
    line: int
    index: int


@dataclass
class _Change:
    operator: str
    function: str
    statement: str
    node: ast.AST
    new: ast.AST
    put: Callable[[ast.AST], None]


def mutants(root: Path, file: str) -> list[Mutant]:
    """Return every mutant of a file."""
    found: list[Mutant] = []
    counted: Counter[str] = Counter()
    for index, change in enumerate(_Walk(file).changes(ast.parse((root / file).read_text()))):
        before, after = (_text(node) for node in (change.node, change.new))
        name = f"{file}::{change.function}: {change.operator}: {before} -> {after}"
        counted[name] += 1
        if counted[name] > 1:
            name += f" ({counted[name]})"
        line = cast(ast.expr, change.node).lineno
        found.append(Mutant(file, name, change.statement, line, index))
    return found


def mutated(root: Path, mutant: Mutant) -> ast.Module:
    """Return the syntax tree of the changed file."""
    tree = ast.parse((root / mutant.file).read_text())
    change = list(_Walk(mutant.file).changes(tree))[mutant.index]
    change.put(ast.copy_location(change.new, change.node))
    return ast.fix_missing_locations(tree)


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


class _Walk:
    """Walk through a file and yield its changes in a fixed order."""

    def __init__(self, file: str) -> None:
        self.file = file

    def changes(self, tree: ast.Module) -> Iterator[_Change]:
        yield from self._body(tree, "", key(self.file, "", None))

    def _body(self, node: ast.AST, function: str, statement: str) -> Iterator[_Change]:
        for field, value in ast.iter_fields(node):
            if _is_left_out(node, field):
                continue
            if isinstance(value, ast.AST):
                yield from self._node(node, field, None, value, function, statement)
            elif isinstance(value, list):
                for place, item in enumerate(value):
                    if isinstance(item, ast.AST) and not _is_docstring(node, field, place):
                        yield from self._node(node, field, place, item, function, statement)

    def _node(
        self,
        parent: ast.AST,
        field: str,
        place: int | None,
        node: ast.AST,
        function: str,
        statement: str,
    ) -> Iterator[_Change]:
        if _is_skipped(node):
            return
        # Defaults and decorators run when the function is defined, not when it is called.
        inside = function if field in ("body", "orelse", "finalbody", "handlers") else ""
        if isinstance(node, ast.stmt) and (function or inside):
            statement = key(self.file, function, node)

        def put(new: ast.AST) -> None:
            if place is None:
                setattr(parent, field, new)
            else:
                getattr(parent, field)[place] = new

        for operator, new in _replacements(node, parent, field):
            yield _Change(operator, function or "module", statement, node, new, put)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            yield from self._definition(node, function, statement)
        else:
            yield from self._body(node, function, statement)

    def _definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, outer: str, at: str
    ) -> Iterator[_Change]:
        name = f"{outer}.{node.name}" if outer else node.name
        at = at if outer and not isinstance(node, ast.ClassDef) else key(self.file, name, None)
        yield from self._body(node, name, at)


def _is_left_out(node: ast.AST, field: str) -> bool:
    return field in ("annotation", "returns", "type_params", "bases") or (
        isinstance(node, ast.AnnAssign) and field == "target"
    )


def _is_docstring(node: ast.AST, field: str, place: int) -> bool:
    if (
        field != "body"
        or place
        or not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef))
    ):
        return False
    return len(body_without_docstring(node.body)) < len(node.body)


def _is_skipped(node: ast.AST) -> bool:
    if isinstance(node, (ast.Raise, ast.Assert, ast.JoinedStr, ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.FunctionDef):
        return node.name in ("__repr__", "__str__", "__dir__") or skipped_decorator(node)
    if isinstance(node, ast.ClassDef):
        return any(_text(base) == "Protocol" for base in node.bases)
    if isinstance(node, ast.If):
        return _text(node.test) == "TYPE_CHECKING"
    if isinstance(node, ast.Assign):
        return _text(node.targets[0]) in ("__all__", "__version__", "REFERENCE", "example_options")
    if isinstance(node, ast.keyword):
        return node.arg in COSMETIC
    if isinstance(node, ast.Call):
        return _called(node) in {*TYPE_NAMES, "Reference", "warn"}
    return isinstance(node, ast.Subscript) and _text(node.value) in TYPE_NAMES


def _called(node: ast.Call) -> str:
    function = node.func
    return function.attr if isinstance(function, ast.Attribute) else _text(function)


def _replacements(node: ast.AST, parent: ast.AST, field: str) -> Iterator[tuple[str, ast.AST]]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        new = COMPARISONS[type(node.ops[0])]()
        yield "comparison", ast.Compare(node.left, [new], node.comparators)
    elif isinstance(node, ast.BinOp):
        yield from _arithmetic(node)
    elif isinstance(node, ast.AugAssign):
        yield "dropped statement", ast.Pass()
        if type(node.op) in ARITHMETIC:
            yield "arithmetic", ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield "removed " + ("not" if isinstance(node.op, ast.Not) else "minus"), node.operand
    elif isinstance(node, ast.BoolOp):
        new = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield "boolean", ast.BoolOp(new, node.values)
    elif isinstance(node, ast.Constant):
        yield from _constant(node)
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield "dropped statement", ast.Pass()
    elif isinstance(node, ast.Call):
        yield from _call(node)
    if field == "test" and isinstance(node, (ast.Call, ast.Name, ast.Attribute, ast.BoolOp)):
        yield "negated condition", ast.UnaryOp(ast.Not(), cast(ast.expr, node))


def _arithmetic(node: ast.BinOp) -> Iterator[tuple[str, ast.AST]]:
    for side in (node.left, node.right):
        if isinstance(side, ast.JoinedStr) or (
            isinstance(side, ast.Constant) and isinstance(side.value, str)
        ):
            return
    if type(node.op) in ARITHMETIC:
        yield "arithmetic", ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)
    if isinstance(node.op, (ast.Add, ast.Sub, ast.Mult)):
        yield "dropped term", node.left


def _constant(node: ast.Constant) -> Iterator[tuple[str, ast.AST]]:
    value = node.value
    if isinstance(value, bool):
        yield "constant", ast.Constant(not value)
    elif isinstance(value, int):
        yield "constant", ast.Constant(value + 1)
    elif isinstance(value, float) and (value == 0.0 or abs(value) >= SMALLEST):
        yield "constant", ast.Constant(value * 1.5 if value else 1.0)


def _call(node: ast.Call) -> Iterator[tuple[str, ast.AST]]:
    name, function = _called(node), node.func
    if isinstance(function, ast.Attribute):
        if name in REMOVED and _text(function.value) not in ("torch", "math", "np", "functional"):
            yield "removed call", function.value
        if name in NAMES:
            renamed = ast.Attribute(function.value, NAMES[name], function.ctx)
            yield "function", ast.Call(renamed, node.args, node.keywords)
    elif name in NAMES:
        yield "function", ast.Call(ast.Name(NAMES[name], ast.Load()), node.args, node.keywords)
    first, *rest = node.args or [None]
    if name == "range" and first is not None and not rest:
        less = ast.BinOp(first, ast.Sub(), ast.Constant(1))
        yield "off by one", ast.Call(function, [less], node.keywords)
    starred = any(isinstance(a, ast.Starred) for a in node.args[:2])
    if rest and not starred and name not in UNORDERED and ast.dump(rest[0]) != ast.dump(first):
        yield "swapped arguments", ast.Call(function, [rest[0], first, *rest[1:]], node.keywords)
