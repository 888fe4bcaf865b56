"""Build the table that ``advlearn list`` prints."""

import textwrap
from itertools import groupby

from advlearn import kinds
from advlearn.core.naming import suggestion

WIDTH = 100
NAME = 30
TITLES = {
    "method": "methods of {}",
    "task": "tasks",
    "objective": "objectives",
    "regularizer": "regularizers",
    "game": "rules for critic and model",
    "network": "networks",
    "data": "data sets",
    "metric": "metrics",
    "environment": "environments",
    "reward": "rewards of imitation",
}


def listing(field: str | None = None, kind: str | None = None) -> str:
    """List names and their aliases with one line each, grouped by kind, methods by field.

    Args:
        field: Show only the methods of this field, and their tasks.
        kind: Show only names of this kind.

    Returns:
        Lines of at most 100 columns.

    Raises:
        ValueError: If the field or the kind is unknown.

    Example:
        >>> print(listing("semi-supervised").splitlines()[0])
        methods of semi-supervised
    """
    if kind is not None and kind not in kinds.KINDS:
        hint = suggestion(kind, kinds.KINDS)
        raise ValueError(
            f"kind: expected one of {', '.join(kinds.KINDS)}, got {kind!r}{hint and '; '}{hint}"
        )
    items = kinds.items() if field is None else kinds.method_items(field.replace("-", "_"))
    chosen = [item for item in items if kind in (None, item.kind)]
    lines: list[str] = []
    for (of_kind, of_field), group in groupby(chosen, key=lambda item: (item.kind, item.field)):
        lines += ["", TITLES[of_kind].format(of_field.replace("_", "-"))]
        for item in group:
            also = f"(also {', '.join(item.aliases)}) " if item.aliases else ""
            summary = textwrap.shorten(also + item.summary, WIDTH - NAME - 3, placeholder=" ...")
            lines.append(f"  {item.name:<{NAME}} {summary}")
    return "\n".join(lines[1:])
