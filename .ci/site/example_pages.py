"""A page for each example: what it does, and its code."""

import ast
from pathlib import Path

from links import ROOT

FOLDER = ROOT / "examples"


def names() -> list[str]:
    """Return the pages in the order of the navigation."""
    return ["examples/index.md", *(f"examples/{path.stem}.md" for path in _examples())]


def pages() -> dict[str, str]:
    """Return the pages by their path."""
    found = {f"examples/{path.stem}.md": _page(path) for path in _examples()}
    rows = [f"| [{_title(path)}]({path.stem}.md) | {_first_line(path)} |" for path in _examples()]
    head = ["# Examples", "", "Each runs by itself and is run by the tests.", ""]
    return {"examples/index.md": "\n".join([*head, "| example | |", "|---|---|", *rows]), **found}


def _examples() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))


def _title(path: Path) -> str:
    return path.stem.replace("_", " ").capitalize()


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def _first_line(path: Path) -> str:
    return _docstring(path).partition("\n")[0].replace("|", "\\|")


def _as_markdown(text: str) -> str:
    """Keep brackets of a command line from being read as links."""
    return text.replace("[", "\\[")


def _page(path: Path) -> str:
    command = f"python examples/{path.name}"
    code = path.read_text()
    return "\n".join(
        [
            f"# {_title(path)}",
            "",
            _as_markdown(_docstring(path)),
            "",
            f"```sh\n{command}\n```",
            "",
            f"```python\n{code}```",
            "",
        ]
    )
