"""Read docstrings, whose formulas are reStructuredText, as Markdown."""

import re
from typing import Any

import griffe

BLOCK = re.compile(r"^( *)\.\. math::[ \t]*(.*)\n((?:(?:\1 +.*)?\n)*)", re.MULTILINE)
ROLE = re.compile(r":math:`([^`]*)`")
# The name of a section whose lines the reader of docstrings knows as code.
EXAMPLE = re.compile(r"^( *)Example:$", re.MULTILINE)


class RestMarkup(griffe.Extension):
    """Change the markup of every docstring as it is read."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of a module, class, function or value."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    r"""Change the formulas and the headings of examples of a docstring.

    Example:
        >>> as_markdown(".. math:: x^2\n")
        '$$x^2$$\n\n'
    """

    def block(match: re.Match[str]) -> str:
        indent, first, rest = match.groups()
        lines = [first, *(line.strip() for line in rest.splitlines())]
        formula = " ".join(line for line in lines if line)
        return f"{indent}$${formula}$$\n\n"

    text = EXAMPLE.sub(r"\1Examples:", BLOCK.sub(block, f"{text}\n"))
    return ROLE.sub(r"$\1$", text)
