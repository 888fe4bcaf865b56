"""A table at the end of a run of imitation, and its history as a CSV file."""

import csv
import io
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from advlearn.core.files import atomic_write
from advlearn.imitation.result import ImitationResult

HISTORY = "history.csv"
"""Name of the file with the history, in the folder of a run."""


def summary(run: ImitationResult) -> str:
    """Return the returns and the critic's figures at the end of a run as lines of a table.

    Args:
        run: The run, with a history.
    """
    last = run.history[-1] if run.history else {}
    rows: list[tuple[str, str]] = [("steps", str(run.policy.num_timesteps))]
    rows.append(("return in training", _number(last.get("return"))))
    if run.evaluations and run.best is not None:
        now, best = run.evaluations[-1], run.best
        spread = f"{_number(now['return'])} +- {_number(now['deviation'])}"
        rows.append(("return, held out", spread))
        rows.append(("best, held out", f"{_number(best['return'])} at step {best['steps']}"))
    rows.append(("return of the expert", _number(run.demonstrations.expert_return)))
    rows.append(("learned reward", _number(last.get("reward"))))
    if "critic_loss" in last:
        rows.append(("loss of the critic", _number(last["critic_loss"])))
    if "accuracy" in last:
        rows.append(("accuracy of the critic", f"{100 * last['accuracy']:.0f} %"))
    adversary = run.reward.adversary
    if adversary.last_losses:  # a complete run that was only read has no batch to diagnose
        rows.append(("verdict", adversary.health().verdict))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def write_history(history: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write rows to a CSV file; an interrupted call leaves no partial file.

    Args:
        history: The rows; a row may lack some of the columns.
        path: The file.
    """
    rows = list(history)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(dict.fromkeys(name for row in rows for name in row)))
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def _number(value: float | None) -> str:
    return "unknown" if value is None or math.isnan(value) else f"{value:.4g}"
