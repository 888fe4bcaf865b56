"""A page for each example: what it does, its picture or output, and its code."""

import ast
from pathlib import Path
from typing import Any

import gallery
from links import ROOT

FOLDER = ROOT / "examples"
NAMES = {name.lower(): name for name in ("AIRL", "BiGAN", "FSDP2", "GAIL", "InfoGAN", "IRGAN")}
NAMES |= {name.lower(): name for name in ("CartPole", "CycleGAN", "HalfCheetah", "Hopper")}
NAMES |= {name.lower(): name for name in ("Pendulum", "SB3", "StyleGAN", "VAIL", "WAIL")}
# Where the site has the pictures, as seen from a page.
PICTURES = "../pictures/gallery"


def names() -> list[str]:
    """Return the pages in the order of the navigation."""
    return ["examples/index.md", *(f"examples/{path.stem}.md" for path in _examples())]


def pages() -> dict[str, str]:
    """Return the pages by their path."""
    kept = gallery.kept()
    found = {
        f"examples/{path.stem}.md": _page(path, kept.get(path.stem, {})) for path in _examples()
    }
    return {"examples/index.md": _index(kept), **found}


def _index(kept: dict[str, dict[str, Any]]) -> str:
    """Return the gallery: the pictures, and a line for each example."""
    cards, rows = [], []
    for path in _examples():
        link = f"[{_title(path)}]({path.stem}.md)"
        rows.append(f"| {link} | {_first_line(path)} |")
        if picture := kept.get(path.stem, {}).get("picture"):
            image = f"[![]({PICTURES}/{picture}){{ loading=lazy }}]({path.stem}.md)"
            caption = f"<figcaption markdown>{link}</figcaption>"
            cards.append(f"<figure markdown>\n{image}\n{caption}\n</figure>\n")
    return "\n".join(
        [
            "# Examples",
            "",
            "Each example runs by itself and is run by the tests. Its page has the picture or the",
            "output of its command, and the code.",
            "",
            '<div class="gallery" markdown>\n',
            *cards,
            "</div>",
            "",
            "## All examples",
            "",
            "| example | what it does |",
            "|---|---|",
            *rows,
        ]
    )


def _examples() -> list[Path]:
    return sorted(path for path in FOLDER.glob("*.py") if not path.name.startswith("_"))


def _title(path: Path) -> str:
    """Return the file's name in words, each name of the field as it is written."""
    words = [NAMES.get(word, word) for word in path.stem.split("_")]
    return " ".join([words[0][0].upper() + words[0][1:], *words[1:]])


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text())) or ""


def _first_line(path: Path) -> str:
    return _docstring(path).partition("\n")[0].replace("|", "\\|")


def _as_markdown(text: str) -> str:
    """Keep brackets of a command line from being read as links."""
    return text.replace("[", "\\[")


def _page(path: Path, kept: dict[str, Any]) -> str:
    command = kept.get("command", f"python examples/{path.name}")
    lines = [
        f"# {_title(path)}",
        "",
        _as_markdown(_docstring(path)),
        "",
        *_result(path, kept),
        "## Run it",
        "",
        f"```sh\n{command}\n```",
        "",
        "## Code",
        "",
        f"```python\n{path.read_text()}```",
        "",
    ]
    return "\n".join(lines)


def _result(path: Path, kept: dict[str, Any]) -> list[str]:
    """Return the picture and the output that are kept of an example."""
    lines = []
    if picture := kept.get("picture"):
        lines += [f"![The picture of {path.name}]({PICTURES}/{picture})", ""]
    if output := kept.get("output"):
        lines += ["It ends with these lines:", "", f"```text\n{output}\n```", ""]
    return lines
