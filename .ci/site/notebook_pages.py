"""A page for each notebook: its text, its code, and a link to the file."""

import json
from pathlib import Path
from typing import Any

from links import ROOT

FOLDER = ROOT / "notebooks"
# In the order in which the navigation lists them.
NOTEBOOKS = ("images", "adaptation", "fairness", "imitation", "heads")


def names() -> list[str]:
    """Return the pages in the order of the navigation."""
    return [f"notebooks/{name}.md" for name in NOTEBOOKS]


def pages() -> dict[str, str | bytes]:
    """Return the pages, and the notebooks themselves, by their path."""
    found: dict[str, str | bytes] = {}
    for name in NOTEBOOKS:
        path = FOLDER / f"{name}.ipynb"
        found[f"notebooks/{name}.md"] = page(path)
        found[f"notebooks/{name}.ipynb"] = path.read_bytes()
    return found


def cells(path: Path, kind: str = "") -> list[str]:
    """Return the text of the cells of a notebook; `kind` is "code", "markdown", or both."""
    found: list[dict[str, Any]] = json.loads(path.read_text())["cells"]
    return ["".join(cell["source"]) for cell in found if kind in ("", cell["cell_type"])]


def page(path: Path) -> str:
    """Return a notebook as Markdown."""
    code = set(cells(path, "code"))
    title, *rest = (f"```python\n{text}\n```" if text in code else text for text in cells(path))
    head, _, introduction = title.partition("\n\n")
    download = f"[Download the notebook]({path.name}); its pictures appear when you run it."
    return "\n\n".join([head, introduction, download, *rest, ""])
