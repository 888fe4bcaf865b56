"""The page of a run of imitation: its returns, the critic's curves and the verdict."""

import math
from pathlib import Path
from typing import Any

from advlearn.page import Content, write_page
from advlearn.training.curves import Panel

PANELS = (
    ("losses and penalties of the critic", None),
    ("critic's scores", ("real_score", "fake_score")),
    ("pairs that the critic ranks correctly (0.5: chance)", ("accuracy",)),
    ("mean learned reward", ("reward",)),
)


def write_page_of(run: Any, path: str | Path) -> Path:
    """Write one HTML file with the history of a run of imitation.

    Args:
        run: The `ImitationResult`.
        path: The file.

    Returns:
        The file.
    """
    step = int(run.history[-1]["steps"]) if run.history else 0
    demonstrations, adversary = run.demonstrations, run.reward.adversary
    recipe = {
        "environment": run.env_id,
        "algorithm": type(run.policy).__name__,
        "objective": adversary.chain,
        "reward": run.reward.reward_shape,
        "demonstrations": f"{len(demonstrations)} episodes",
        "expert's return": demonstrations.expert_return,
        "steps": step,
    }
    verdicts = [(step, {"critic": adversary.health().verdict})] if adversary.last_losses else []
    title = f"imitation in {run.env_id}" if run.env_id else "imitation"
    return write_page(Content(title, step, recipe, panels=_panels(run), verdicts=verdicts), path)


def _panels(run: Any) -> list[Any]:
    expert = run.demonstrations.expert_return
    reference = float(expert) if math.isfinite(expert) else None
    returns = {"policy, in training": _line(run.history, "return")}
    if run.evaluations:
        returns["policy, measured"] = _line(run.evaluations, "return")
    found = [(Panel("true return (dashed: the expert's)", (), reference), returns)]
    names = list(dict.fromkeys(name for row in run.history for name in row))
    named = {name for _, group in PANELS for name in group or ()} | {"steps", "return"}
    for title, group in PANELS:
        shown = [n for n in names if (n not in named if group is None else n in group)]
        lines = {name.replace("_", " "): _line(run.history, name) for name in shown}
        if lines:
            found.append((Panel(title, (), 0.5 if "chance" in title else None), lines))
    return found


def _line(rows: list[dict[str, Any]], name: str) -> list[tuple[int, float]]:
    return [(int(row["steps"]), float(row[name])) for row in rows if name in row]
