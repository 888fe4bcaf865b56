r"""Write docstrings for a terminal: formulas in Unicode in place of LaTeX.

The converter knows the part of LaTeX that the docstrings of this package use.
"""

import re
import textwrap
from collections.abc import Mapping
from types import MappingProxyType

_SYMBOLS: Mapping[str, str] = MappingProxyType(
    {
        "alpha": "α",
        "beta": "β",
        "gamma": "γ",
        "delta": "δ",
        "epsilon": "ε",
        "eta": "η",
        "theta": "θ",
        "kappa": "κ",
        "lambda": "λ",
        "mu": "μ",
        "nu": "ν",
        "pi": "π",
        "rho": "ρ",
        "sigma": "σ",
        "tau": "τ",
        "phi": "φ",
        "psi": "ψ",
        "omega": "ω",
        "Gamma": "Γ",
        "Delta": "Δ",
        "Lambda": "Λ",
        "Pi": "Π",
        "Sigma": "Σ",
        "Phi": "Φ",
        "Omega": "Ω",
        "nabla": "∇",
        "partial": "∂",
        "sum": "Σ",
        "prod": "Π",
        "int": "∫",
        "infty": "∞",
        "dots": "…",
        "ldots": "…",
        "cdot": "·",
        "times": "×",
        "otimes": "⊗",
        "odot": "⊙",
        "cup": "∪",
        "cap": "∩",
        "in": "∈",
        "ne": "≠",
        "neq": "≠",
        "le": "≤",
        "leq": "≤",
        "ge": "≥",
        "geq": "≥",
        "approx": "≈",
        "equiv": "≡",
        "pm": "±",
        "sim": "~",
        "mid": "|",
        "to": "→",
        "leftarrow": "←",
        "rightarrow": "→",
        "lfloor": "⌊",
        "rfloor": "⌋",
        "lceil": "⌈",
        "rceil": "⌉",
        "langle": "⟨",
        "rangle": "⟩",
        "quad": "  ",
        "qquad": "    ",
        "left": "",
        "right": "",
        "big": "",
        "Big": "",
        "bigg": "",
    }
)
_FUNCTIONS = ("log", "exp", "max", "min", "sin", "cos", "tanh", "arg", "sup", "inf", "det")
_ESCAPES: Mapping[str, str] = MappingProxyType(
    {"|": "‖", ",": " ", ";": " ", ":": " ", " ": " ", "!": "", "{": "❴", "}": "❵", "_": "＿"}
)
_ACCENTS: Mapping[str, str] = MappingProxyType(
    {"tilde": "\u0303", "hat": "\u0302", "bar": "\u0304"}
)
_HIGH = str.maketrans("0123456789+-=()nTdt*hk", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁿᵀᵈᵗ*ʰᵏ")
_LOW = str.maketrans("0123456789+-=()aehijklmnoprstuvx", "₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ")
_GROUP = r"\{((?:[^{}])*)\}"


def formula(latex: str) -> str:
    r"""Write one formula in Unicode.

    Args:
        latex: The formula in LaTeX.

    Returns:
        The formula on one line.

    Example:
        >>> formula(r"C = E_r[\max(0, 1 - s)], \qquad \tfrac12 \|x\|_2^2")
        'C = Eᵣ[max(0, 1 - s)],      ½ ‖x‖₂²'
    """
    text = " ".join(latex.split())
    text = re.sub(r"\\([|,;: !{}_])", lambda m: _ESCAPES[m[1]], text)
    text = re.sub(r"\\(?:text|mathrm|operatorname)\s*" + _GROUP, r"\1", text)
    text = re.sub(r"\\(tilde|hat|bar)\s*(?:\{(\w)\}|(\w))", _accented, text)
    text = re.sub(r"\\t?frac\s*(\w)\s*(\w)", _fraction, text)
    text = re.sub(r"\\([A-Za-z]+)", _word, text)
    for _ in range(8):  # nested groups, the innermost first
        before = text
        text = re.sub(r"%frac\s*" + _GROUP + r"\s*" + _GROUP, _fraction, text)
        text = re.sub(r"([_^])(?:" + _GROUP + r"|([^\s{}%]))", _script, text)
        if text == before:
            break
    text = re.sub(r"(?<!%frac)\{([^{}]*)\}", r"\1", text)
    return (
        text.replace("❴", "{")
        .replace("❵", "}")
        .replace("＿", "_")
        .replace("¦", "_")
        .replace("ˆ", "^")
    )


def plain(doc: str) -> str:
    r"""Write a docstring for a terminal: its formulas in Unicode, without markup.

    Args:
        doc: A docstring, its first line first.

    Returns:
        The text.

    Example:
        >>> print(plain("Square.\n\n.. math:: y = x^2\n\nIts argument is ``x``."))
        Square.
        <BLANKLINE>
            y = x²
        <BLANKLINE>
        Its argument is x.
    """
    lines = doc.splitlines()
    text: list[str] = []
    while lines:
        line = lines.pop(0)
        start = re.match(r"(\s*)\.\. math::(.*)", line)
        if start is None:
            text.append(line)
            continue
        indent, latex = start[1], [start[2]]
        # The formula continues while lines are blank or indented further.
        while lines and (not lines[0].strip() or lines[0].startswith(indent + " ")):
            latex.append(lines.pop(0))
        text += [*_block(indent, latex), ""] if not latex[-1].strip() else _block(indent, latex)
    return _without_markup("\n".join(text))


def _without_markup(text: str) -> str:
    text = re.sub(r"\.\. [a-z-]+::[^\n]*\n", "", text)
    text = text.replace("``", "").replace("`", "")
    return text.replace("\\", "")


def _block(indent: str, latex: list[str]) -> list[str]:
    """Return the lines of a formula, one for each part between wide gaps."""
    parts = re.split(r"\s{5,}", formula(" ".join(latex)))
    joined = (re.sub(r"\s+", " ", part).strip() for part in parts)
    return [f"{indent}    {line}" for part in joined for line in textwrap.wrap(part, 84)]


def _accented(match: re.Match[str]) -> str:
    return (match[2] or match[3]) + _ACCENTS[match[1]]


def _word(match: re.Match[str]) -> str:
    name = match[1]
    if name in ("frac", "tfrac", "dfrac"):
        return "%frac"
    return name if name in _FUNCTIONS else _SYMBOLS.get(name, name)


def _fraction(match: re.Match[str]) -> str:
    above, below = match[1].strip(), match[2].strip()
    if (above, below) == ("1", "2"):
        return "½"
    return "/".join(
        part if len(part) < 2 or _closed(part) else f"({part})" for part in (above, below)
    )


def _closed(part: str) -> bool:
    """Return whether a part of a fraction needs no brackets."""
    return re.fullmatch(r"\d+|\w[ₐ-ₜ₀-₉⁰-⁹²³¹]*", part) is not None


def _script(match: re.Match[str]) -> str:
    inside = match[3] or match[2] or ""
    table = _LOW if match[1] == "_" else _HIGH
    small = inside.translate(table)
    letters = set(inside)
    if inside and all(ord(c) in table for c in letters):
        return small
    # Mark a remaining caret or underscore, so that the next pass skips it.
    sign = "¦" if match[1] == "_" else "ˆ"
    return sign + (inside if len(inside) == 1 or inside.isalnum() else f"({inside})")
