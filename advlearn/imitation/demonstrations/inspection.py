"""Describe demonstrations in a few lines: their episodes, their ends and the ranges of values."""

from typing import Any

import numpy as np

from advlearn.core.arguments import checked
from advlearn.imitation.demonstrations.dataset import Array, Demonstrations


@checked
def inspect_demonstrations(demonstrations: Demonstrations) -> str:
    """Return a table of the episodes, the ends, the ranges and what may be wrong.

    Args:
        demonstrations: The demonstrations.

    Example:
        >>> states = np.array([[0.0, 1.0], [0.5, 1.0], [1.0, 1.0]])
        >>> ends = np.array([2]), np.array([True])
        >>> print(inspect_demonstrations(Demonstrations(states, np.array([0, 1]), *ends)))
        environment    unknown
        episodes       1 of 2 steps, 2 steps in all
        ends           1 by the environment, 0 by a limit
        expert return  unknown
        observations   float64 (2,), from 0 to 1, 1 of 2 constant
        actions        int64, from 0 to 1
    """
    lengths, ended = demonstrations.lengths, int(demonstrations.terminated.sum())
    shortest, longest = int(lengths.min()), int(lengths.max())
    steps = f"{shortest}" if shortest == longest else f"{shortest} to {longest}"
    total, settings = demonstrations.expert_return, dict(demonstrations.env_settings)
    name = demonstrations.env_id or "unknown"
    rows = [
        ("environment", f"{name} with {settings}" if settings else name),
        ("episodes", f"{len(lengths)} of {steps} steps, {len(demonstrations)} steps in all"),
        ("ends", f"{ended} by the environment, {len(lengths) - ended} by a limit"),
        ("expert return", "unknown" if np.isnan(total) else f"{total:.6g}"),
    ]
    seen: Any = demonstrations.observations
    parts: dict[str, Array] = seen if isinstance(seen, dict) else {"": seen}
    rows += [(f"observations {name}".strip(), _range(part)) for name, part in parts.items()]
    actions = demonstrations.actions
    rows.append(("actions", "none" if actions is None else _range(actions)))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _range(values: Array) -> str:
    """Describe an array (N, ...) by its type, its shape and its range."""
    shape = f" {values.shape[1:]}" if values.ndim > 1 else ""
    text = f"{values.dtype}{shape}, from {values.min():.6g} to {values.max():.6g}"
    columns = values.reshape(len(values), -1)
    constant = int((columns == columns[0]).all(0).sum())
    return f"{text}, {constant} of {columns.shape[1]} constant" if constant else text
