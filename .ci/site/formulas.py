"""Write the formulas of pages as MathML."""

import html as entities
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves of $...$ and $$...$$.
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)
EXTREMUM = re.compile(r"(\\(?:min|max|sup|inf))_")


def as_mathml(html: str) -> str:
    r"""Replace the formulas of a page.

    Example:
        >>> "<math" in as_mathml('<span class="arithmatex">\\(x^2\\)</span>')
        True
    """
    html = INLINE.sub(lambda match: convert(entities.unescape(match[1])), html)
    return BLOCK.sub(lambda match: _displayed(entities.unescape(match[1])), html)


def _displayed(formula: str) -> str:
    # latex2mathml writes the variable of a minimum under it only where it is told to.
    return convert(EXTREMUM.sub(r"\1\\limits_", formula), display="block")
