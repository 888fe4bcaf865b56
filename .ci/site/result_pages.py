"""A table of the benchmarks, made from their results, and the results themselves."""

import ast
import json
from typing import Any

from links import ROOT

FOLDER = ROOT / "benchmarks" / "results"


def pages() -> dict[str, str | bytes]:
    """Return the table, and each file of results as it is."""
    files = {
        f"results/{path.name}": path.read_bytes()
        for path in FOLDER.iterdir()
        if path.suffix in (".json", ".png")
    }
    return {"benchmarks.md": _table(), **files}


def _table() -> str:
    lines = [
        "# Benchmarks",
        "",
        "Each row is a file of results, made by its command. [Measured results](measured.md) says",
        "what they mean, and which bars were not met and why.",
        "",
        "| benchmark | what it measures | bars met | command |",
        "|---|---|---|---|",
    ]
    for path in sorted(FOLDER.glob("*.json")):
        found = json.loads(path.read_text())
        if "bars" in found:
            lines.append(_row(path.stem, found))
    return "\n".join(lines)


def _row(name: str, found: dict[str, Any]) -> str:
    met = [bool(bar["met"]) for bar in found["bars"]]
    share = f"{sum(met)} of {len(met)}" if met else "no bar"
    return f"| [{name}](results/{name}.json) | {_about(name)} | {share} | `{found['command']}` |"


def _about(name: str) -> str:
    script = ROOT / "benchmarks" / f"{name}.py"
    if not script.exists():
        return ""
    docstring = ast.get_docstring(ast.parse(script.read_text())) or ""
    return docstring.partition("\n\n")[0].replace("\n", " ").replace("|", "\\|")
