"""Read what the folder of a run holds for a page."""

import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from advlearn.page.content import Content
from advlearn.training import checkpoint, structure
from advlearn.training.curves import VALUES, Point, read_curves
from advlearn.training.recording import VALUES as RECORDING
from advlearn.training.recording import Row, read_recording

_STEP = re.compile(r"step-(\d{1,12})")
_DRAWN_HERE = {"curves"}
EVALUATION = "Evaluation"
"""Name under which a checkpoint holds the results of the evaluations."""


def content_of_folder(
    folder: str | Path, papers: Callable[[dict[str, Any]], str] | None = None
) -> Content:
    """Read the curves, the recording, the pictures and the recipe of a run.

    Args:
        folder: The folder that `fit` wrote.
        papers: Function from the recipe to BibTeX entries; None shows none.

    Returns:
        The content of a page.

    Raises:
        FileNotFoundError: The folder holds no checkpoint.
        ValueError: The checkpoint is damaged.
    """
    folder = Path(folder)
    payload = checkpoint.load(folder)
    structure.check(payload, {"config": structure.RECIPE, "trainer": structure.TRAINER}, folder)
    config, state = payload["config"], payload["trainer"]
    settings, step = config["settings"], int(state["step"])
    method = config.get("method") or config["task"]
    recipe = {
        "method": method,
        "task": config["task"],
        "objective": config["objective"],
        "steps": step,
        **settings,
        "advlearn": payload.get("advlearn", ""),
    }
    rows = [row for row in read_recording(folder / RECORDING) if row.get("step", 0) <= step]
    pictures = sorted(folder.glob("*.png"))
    numbered = [(m, path) for path in pictures if (m := _STEP.fullmatch(path.stem))]
    plane = _plane(rows)
    return Content(
        f"{method} on {settings.get('data', 'data')}",
        step,
        {name: value for name, value in recipe.items() if value is not None},
        [point for point in read_curves(folder / VALUES) if point[0] <= step],
        _evaluations(state),
        verdicts=[(row["step"], row["verdicts"]) for row in rows if "verdicts" in row],
        plane=plane,
        # The plane is drawn from its points instead of its pictures.
        pictures=[] if plane else [(int(m[1]), path) for m, path in numbered if int(m[1]) <= step],
        stills=[p for p in pictures if not _STEP.fullmatch(p.stem) and p.stem not in _DRAWN_HERE],
        papers="" if papers is None else papers(config),
    )


def _plane(rows: list[Row]) -> dict[str, Any] | None:
    """Return the recorded plane with its frames, if the file has both."""
    headers = [row for row in rows if "real" in row]
    frames = {row["step"]: row for row in rows if "fake" in row}
    if not headers or not frames or not headers[-1]["half"] > 0:
        return None
    if len(headers[-1]["centre"]) != 2 or not 1 < headers[-1]["cells"] <= 64:
        return None
    return {**headers[-1], "frames": [frames[step] for step in sorted(frames)]}


def _evaluations(state: dict[str, Any]) -> list[Point]:
    """Return the results that the checkpoint holds; none from another form."""
    found: list[Point] = []
    for name, held in state["callbacks"]:
        if name == EVALUATION:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                for step, results in held["results"]:
                    found.append((int(step), {str(k): float(v) for k, v in results.items()}))
    return found
