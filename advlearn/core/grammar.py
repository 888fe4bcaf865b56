"""Grammar of the strings that name objectives.

.. code-block:: text

    spec  := term ('+' term)*
    term  := name [ '(' key=literal, ... ')' ]

Names are those of objectives, regularizers and aliases; case, ``-`` and ``_`` are ignored. Literals
are Python literals, parsed with `ast` and never evaluated.
"""

import ast
import inspect
import re
from dataclasses import dataclass
from typing import Any, final

from advlearn.core import naming, registry
from advlearn.core.chain import Chain
from advlearn.core.described import Described, keywords

Spec = str | Described | Chain


@final
@dataclass(frozen=True, slots=True)
class Term:
    """One term of a spec: a name and its arguments."""

    name: str
    arguments: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{k}={v!r}' for k, v in self.arguments.items())})"


def parse(text: str) -> list[Term]:
    """Split a spec into terms, without looking names up.

    Args:
        text: The spec.

    Returns:
        Its terms, in order.

    Raises:
        ValueError: If `text` does not follow the grammar; the message quotes the wrong part.

    Example:
        >>> [str(t) for t in parse("hinge + r1(weight=5)")]
        ['hinge()', 'r1(weight=5)']
    """
    if not text.strip():
        raise ValueError(
            "objective: expected a spec such as 'hinge + r1(weight=5)', got an empty string"
        )
    return [_term(piece, text) for piece in split_terms(text)]


def resolve(spec: Spec) -> Chain:
    """Build the objective and regularizers that a spec names.

    Args:
        spec: A string of the grammar, an `Objective`, a `Regularizer` or a `Chain`.

    Returns:
        The chain; an object becomes a chain of one part.

    Raises:
        ValueError: If a name or a keyword is unknown (near ones are suggested) or a value is
        refused.

    Example:
        >>> resolve("wgan-gp(weight=5)")
        Wasserstein() + GradientPenalty(weight=5, target=1.0, every=1, estimate='exact', share=1.0)
    """
    if not isinstance(spec, str):
        return Chain.of(spec)
    chain = Chain()
    for term in parse(spec):
        chain = chain + _build(term)
    return chain


def describe(spec: Spec) -> str:
    """Describe a spec: its expansion, formulas, references and defaults.

    Args:
        spec: As for `resolve`.

    Returns:
        Several lines of text.

    Example:
        >>> print(describe("hinge").splitlines()[0])
        hinge = Hinge()
    """
    chain = resolve(spec)
    lines = [f"{spec} = {chain!r}" if isinstance(spec, str) else repr(chain)]
    parts = (
        (chain.objective, *chain.regularizers)
        if chain.objective is not None
        else chain.regularizers
    )
    for part in parts:
        lines += ["", repr(part), *_indented(inspect.getdoc(type(part)) or "")]
        lines += (
            [f"  Reference: {registry.lookup(type(part).__name__).reference}"]
            if _in_library(part)
            else []
        )
    if isinstance(spec, str):
        for term in parse(spec):
            entry = registry.lookup(term.name)
            if entry.kind == "alias":
                lines += [
                    "",
                    f"{entry.name}: {inspect.getdoc(entry.make) or ''}",
                    f"  Reference: {entry.reference}",
                ]
    lines += ["", f"Defaults: {chain.defaults}"]
    return "\n".join(lines)


def _in_library(part: Described) -> bool:
    return type(part).__module__.startswith(registry.PACKAGES)


def _indented(doc: str) -> list[str]:
    return [f"  {line}" if line else "" for line in doc.split("\n\nExample")[0].splitlines()]


def split_terms(text: str) -> list[str]:
    """Split a spec at each ``+`` outside brackets and quotation marks."""
    pieces, depth, quote, start, escaped = list[str](), 0, "", 0, False
    for i, c in enumerate(text):
        if quote:
            quote = "" if c == quote and not escaped else quote
            escaped = c == "\\" and not escaped
        elif c in "'\"":
            quote = c
        elif c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
        elif c == "+" and depth == 0:
            pieces.append(text[start:i])
            start = i + 1
    if quote or depth:
        raise ValueError(
            f"objective: unbalanced {'quotation' if quote else 'brackets'} in {text!r}"
        )
    return [*pieces, text[start:]]


def _term(piece: str, text: str) -> Term:
    match = re.fullmatch(r"\s*([A-Za-z][\w-]*)\s*(?:\((.*)\))?\s*", piece, re.DOTALL)
    if match is None:
        raise ValueError(
            f"objective: expected name or name(key=value, ...), got {piece.strip()!r} in {text!r}"
        )
    name, inside = match[1], match[2] or ""
    try:
        call = ast.parse(f"f({inside}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(
            f"objective: expected {name}(key=value, ...), got {piece.strip()!r}"
        ) from None
    if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name) or call.args:
        raise ValueError(
            f"objective: arguments of {name} are written key=value, got {piece.strip()!r}"
        )
    given = [keyword.arg for keyword in call.keywords]
    for argument in given:
        if given.count(argument) > 1:
            raise ValueError(
                f"objective: {name}: the argument {argument!r} is given {given.count(argument)} "
                "times"
            )
    return Term(name, {k.arg or "**": _literal(k, name) for k in call.keywords})


def _literal(keyword: ast.keyword, name: str) -> Any:
    try:
        if keyword.arg is None:
            raise ValueError
        return ast.literal_eval(keyword.value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        what = keyword.arg or "**"
        raise ValueError(
            f"objective: {name}({what}=...): expected a number, string, list or tuple"
        ) from None


def _build(term: Term) -> Chain:
    entry = registry.lookup(term.name)
    known = keywords(entry.make)
    for argument in term.arguments:
        if argument not in known:
            raise ValueError(
                f"objective: {term.name}: {naming.unknown('argument', argument, known)}"
            )
    try:
        return Chain.of(entry.make(**term.arguments))
    except (TypeError, ValueError) as error:
        raise ValueError(f"objective: {term}: {error}") from None
