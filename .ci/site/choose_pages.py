"""Tables of everything with a name, made from the catalogue."""

from itertools import groupby
from typing import Any

from advlearn import kinds

PAGES = {
    "methods": ("Methods", ("method",)),
    "objectives": ("Objectives", ("objective",)),
    "regularizers": ("Regularizers", ("regularizer",)),
    "networks": ("Networks", ("network",)),
    "tasks": ("Tasks and game rules", ("task", "game", "reward")),
    "data": ("Data sets and environments", ("data", "environment")),
    "metrics": ("Metrics", ("metric",)),
}
INTRODUCTIONS = {
    "methods": "A method is a task with an objective and settings: `advlearn.fit(NAME)`.",
    "objectives": "Use one by its name: `advlearn.fit(objective=NAME)`, `Adversary(critic, NAME)`.",
    "regularizers": 'Add one to an objective: `"hinge + r1(weight=0.1)"`.',
    "networks": "Use one by its name: `advlearn.fit('generate', architecture=NAME)`.",
    "tasks": "`advlearn describe NAME` prints the options of each.",
    "data": "Use one by its name: `advlearn.fit(data=NAME)`, `imitate(env=NAME)`.",
    "metrics": "Functions of `advlearn.metrics`.",
}


def pages() -> dict[str, str]:
    """Return the pages by their path."""
    return {f"choose/{name}.md": _page(name) for name in PAGES}


def _page(name: str) -> str:
    title, wanted = PAGES[name]
    lines = [f"# {title}", "", INTRODUCTIONS[name], ""]
    items = [item for kind in wanted for item in kinds.items() if item.kind == kind]
    for (kind, field), group in groupby(items, key=lambda item: (item.kind, item.field)):
        if name == "methods" or len(wanted) > 1:
            heading = field if kind == "method" else kind
            lines += [f"## {heading.replace('_', '-').capitalize()}", ""]
        lines += ["| name | also | what it does | paper |", "|---|---|---|---|"]
        lines += [_row(item) for item in group]
        lines.append("")
    return "\n".join(lines)


def _row(item: Any) -> str:
    also = ", ".join(f"`{alias}`" for alias in item.aliases)
    return f"| `{item.name}` | {also} | {_cell(item.summary)} | {_paper(item)} |"


def _paper(item: Any) -> str:
    target = item.target[-1] if isinstance(item.target, tuple) else item.target
    reference = getattr(target, "reference", None)
    authors, url = getattr(reference, "authors", ""), getattr(reference, "url", "")
    return f"[{authors}]({url})" if url else authors


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
