"""Curves of a run's losses, scores, health and evaluations in one picture."""

import json
import math
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, cast, final

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.callback import Callback
from advlearn.core.files import atomic_write
from advlearn.core.trainer import Trainer
from advlearn.training.evaluation import Evaluation
from advlearn.training.tensorboard import TensorBoard
from advlearn.training.thinning import with_point
from advlearn.training.warn_once import WarnOnce

PICTURE, VALUES = "curves.png", "curves.jsonl"


class Panel(NamedTuple):
    """One panel: its title, the ends of the tags it shows, and a line for comparison."""

    title: str
    ends: tuple[str, ...]
    reference: float | None = None


PANELS = (
    Panel("critic's scores", ("/scores/real_score", "/scores/fake_score")),
    Panel("pairs that the critic ranks correctly (0.5: chance)", ("/health/accuracy",), 0.5),
    Panel("spread of samples over that of real ones (near 0: collapse)", ("/health/spread",), 1.0),
    Panel("gradient that the critic gives", ("/health/player_gradient",)),
)

# Of each panel, in inches: left, right, below and above.
MARGINS = (0.7, 0.15, 0.5, 0.35)

Point = tuple[int, dict[str, float]]


@final
class Curves(Callback):
    """Draw the scalars of a run as ``curves.png``, and keep them in ``curves.jsonl``.

    A resumed run continues the curves. Of a long run every thousandth part keeps a point or two,
    with six digits; TensorBoard's file has all of them. Only the first process writes. A file that
    cannot be written is a warning, once, and training continues.

    Args:
        folder: Folder of the files.
        every: Training steps between two pictures.
        scalars: The callback that computes the scalars; it must come first.
        evaluation: The callback that evaluates the run, or None.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Curves("runs/demo", 500, scalars=TensorBoard("runs/demo")).every
        500
    """

    def __init__(
        self,
        folder: str | Path,
        every: Count = 1000,
        *,
        scalars: TensorBoard,
        evaluation: Evaluation | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.every = every
        self.scalars = scalars
        self.evaluation = evaluation
        self.points: list[Point] = []
        self._unwritten = WarnOnce()

    def on_start(self, trainer: Trainer) -> None:
        # A run that starts anew, or from an earlier checkpoint, drops the later points.
        self.points = [p for p in read_curves(self.folder / VALUES) if p[0] <= trainer.step]

    def on_step(self, trainer: Trainer) -> None:
        if self.scalars.last[0] == trainer.step:
            # Six digits, of which a picture shows three, take half the file of sixteen.
            values = {tag: float(f"{value:.6g}") for tag, value in self.scalars.last[1].items()}
            self.points = with_point(self.points, (trainer.step, values))
        if trainer.step % self.every == 0:
            self._write()

    def on_end(self, trainer: Trainer) -> None:
        self._write()

    def _write(self) -> None:
        evaluations = [] if self.evaluation is None else self.evaluation.results
        if distributed.rank() or not panels_of(self.points, evaluations):
            return
        with self._unwritten.instead_of_errors("write curves in", self.folder):
            lines = [json.dumps([step, values]) for step, values in self.points]
            with atomic_write(self.folder / VALUES) as file:
                file.write(("\n".join(lines) + "\n").encode())
            draw_curves(self.points, self.folder / PICTURE, evaluations)


def read_curves(path: Path) -> list[Point]:
    """Read the points of a file; lines of another form are left out, as in a damaged file."""
    points: list[Point] = []
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text().splitlines():
            with suppress(ValueError, TypeError, AttributeError):
                step, values = json.loads(line)
                points.append((int(step), {str(k): float(v) for k, v in values.items()}))
    return points


def draw_curves(points: list[Point], path: Path, evaluations: list[Point] | None = None) -> Path:
    """Draw a panel for the losses, for each part of the health and for each evaluated metric.

    Args:
        points: Steps, and scalars by tag, as `TensorBoard` writes them.
        path: The PNG file.
        evaluations: Steps, and results by name, of `Evaluation`.

    Returns:
        The file.
    """
    from matplotlib.figure import Figure

    panels = panels_of(points, evaluations or [])
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    width, height = 4.6 * columns, 3.0 * rows
    # Fixed margins, since finding them takes as long as the drawing.
    left, right, below, above = MARGINS
    figure = Figure(figsize=(width, height))
    figure.subplots_adjust(
        left=left / width,
        right=1 - right / width,
        bottom=below / height,
        top=1 - above / height,
        wspace=(left + right) / (width / columns - left - right),
        hspace=(below + above) / (height / rows - below - above),
    )
    for place, (panel, lines) in enumerate(panels):
        axes = figure.add_subplot(rows, columns, place + 1)
        axes.set_title(panel.title, fontsize=10)
        if panel.reference is not None:
            axes.axhline(panel.reference, color="0.7", linewidth=1, linestyle="--")
        for name, line in lines.items():
            steps, values = zip(*line, strict=True)
            marker = "o" if len(line) < 30 else ""
            axes.plot(steps, values, marker=marker, markersize=3, linewidth=1.2, label=name)
        if len(lines) > 1:
            axes.legend(fontsize=8, frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        if place >= len(panels) - columns:
            axes.set_xlabel("step", fontsize=9)
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=110)
    return path


Lines = dict[str, list[tuple[int, float]]]


def panels_of(points: list[Point], evaluations: list[Point]) -> list[tuple[Panel, Lines]]:
    """Return the panels that have a line, each with its lines by name.

    Args:
        points: Steps, and scalars by tag, as `TensorBoard` writes them.
        evaluations: Steps, and results by name, of `Evaluation`.
    """
    losses = {
        tag: line
        for tag, line in _lines(points).items()
        if "/health/" not in tag and "/scores/" not in tag and tag != "steps_per_second"
    }
    found = [(Panel("losses and penalties", ()), losses)]
    for panel in PANELS:
        lines = {t: line for t, line in _lines(points).items() if t.endswith(panel.ends)}
        found.append((panel, _short(lines)))
    for name, line in _lines(evaluations).items():
        found.append((Panel(f"held-out data: {name}", ()), {name: line}))
    return [(panel, lines) for panel, lines in found if lines]


def _lines(points: list[Point]) -> Lines:
    """Return the finite values of each tag with their steps."""
    lines: Lines = {}
    for step, values in points:
        for tag, value in cast(Mapping[str, Any], values).items():
            if math.isfinite(value):
                lines.setdefault(tag, []).append((step, value))
    return lines


def _short(lines: Lines) -> Lines:
    """Name lines by the end of their tags, and by their adversary where there are several."""
    adversaries = {tag.split("/")[0] for tag in lines}
    return {
        (tag.split("/")[-1].replace("_", " "))
        + (f", {tag.split('/')[0]}" if len(adversaries) > 1 else ""): line
        for tag, line in lines.items()
    }
