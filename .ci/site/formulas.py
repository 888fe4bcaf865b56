"""Write the formulas of pages as MathML."""

import html as entities
import re

from latex2mathml.converter import convert

# What pymdownx.arithmatex leaves of $...$ and $$...$$.
INLINE = re.compile(r'<span class="arithmatex">\\\((.*?)\\\)</span>', re.DOTALL)
BLOCK = re.compile(r'<div class="arithmatex">\s*\\\[(.*?)\\\]\s*</div>', re.DOTALL)


def as_mathml(html: str) -> str:
    r"""Replace the formulas of a page.

    Example:
        >>> "<math" in as_mathml('<span class="arithmatex">\\(x^2\\)</span>')
        True
    """
    html = INLINE.sub(lambda match: convert(entities.unescape(match[1])), html)
    return BLOCK.sub(lambda match: convert(entities.unescape(match[1]), display="block"), html)
