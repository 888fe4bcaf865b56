"""Record a run for a page that plays it: verdicts in words and, in the plane, the samples."""

import json
import math
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.callback import Callback
from advlearn.core.files import atomic_write
from advlearn.core.trainer import Trainer
from advlearn.training.rng import isolated
from advlearn.training.tensorboard import TensorBoard
from advlearn.training.thinning import thinned, with_point
from advlearn.training.warn_once import WarnOnce

VALUES = "recording.jsonl"
FRAMES = 200
"""Largest number of frames of a run."""
POINTS, CELLS = 200, 24
"""Points of a frame, and cells at a side of the critic's surface."""
MARGIN = 1.3
"""Side of the plane that is recorded, over that of the real samples."""

Row = dict[str, Any]


@final
class Plane:
    """What is recorded of a run on points in the plane.

    Args:
        real: Real samples (N, 2); the plane is the square around them.
        samples: Function from a number to that many generated samples (n, 2).
        surface: Function from points (K, 2), real and generated samples to the critic's scores in
            [-1, 1]; None records no surface.

    Example:
        >>> plane = Plane(torch.tensor([[0.0, 0.0], [2.0, 2.0]]), lambda n: torch.ones(n, 2))
        >>> plane.header()["centre"], plane.header()["half"]
        ([1.0, 1.0], 1.3)
        >>> plane.frame(5)["fake"][0]
        [1.0, 1.0]
    """

    def __init__(
        self,
        real: Tensor,
        samples: Callable[[int], Tensor],
        surface: Callable[[Tensor, Tensor, Tensor], Tensor] | None = None,
    ) -> None:
        low, high = real.amin(0), real.amax(0)
        self.real = real[:POINTS]
        self.centre = (low + high) / 2
        self.half = max(float((high - low).max()) / 2 * MARGIN, 1e-6)
        self.samples = samples
        self.surface = surface

    def header(self) -> Row:
        """Return what is the same in all frames."""
        return {
            "real": _rounded(self.real),
            "centre": _rounded(self.centre),
            "half": _round(self.half),
            "cells": CELLS,
        }

    def frame(self, step: int) -> Row:
        """Return the samples of a step, and the critic's surface from the lowest row up."""
        fake = self.samples(POINTS)
        row: Row = {"step": step, "fake": _rounded(fake)}
        if self.surface is not None:
            axis = torch.linspace(-self.half, self.half, CELLS, device=fake.device)
            y, x = torch.meshgrid(axis, axis, indexing="ij")
            points = torch.stack([x, y], -1).reshape(-1, 2) + self.centre.to(fake)
            scores = self.surface(points, self.real.to(fake), fake)
            row["surface"] = _rounded(scores, 2)
        return row


@final
class Recording(Callback):
    """Keep the verdicts of a run and the frames of its plane in ``recording.jsonl``.

    The verdicts are those of the steps at which `TensorBoard` computes its scalars, as many as
    `Curves` keeps, and of the last step. A plane has at most 200 frames. A resumed run continues
    the recording. Only the first process writes. A file that cannot be written is a warning, once,
    and training continues.

    Args:
        folder: Folder of the file.
        every: Training steps between two writes.
        scalars: The callback that computes the verdicts; it must come first.
        plane: What is recorded of points in the plane; None for other data.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Recording("runs/demo", 500, scalars=TensorBoard("runs/demo")).every
        500
    """

    def __init__(
        self,
        folder: str | Path,
        every: Count = 1000,
        *,
        scalars: TensorBoard,
        plane: Plane | None = None,
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.path = Path(folder) / VALUES
        self.every = every
        self.scalars = scalars
        self.plane = plane
        self._verdicts: list[tuple[int, Row]] = []
        self._frames: list[tuple[int, Row]] = []
        self._interval = 1
        self._start = 0
        self._unwritten = WarnOnce()

    def on_start(self, trainer: Trainer) -> None:
        # A run that starts anew, or from an earlier checkpoint, drops the later rows.
        self._start = trainer.step
        kept = [row for row in read_recording(self.path) if "step" in row]
        rows = [(row["step"], row) for row in kept if row["step"] <= trainer.step]
        self._verdicts = [(step, row) for step, row in rows if "verdicts" in row]
        self._interval = math.ceil(trainer.steps / FRAMES)
        # A run that continues to more steps has fewer frames of the first ones.
        self._frames = thinned([(s, r) for s, r in rows if "fake" in r], self._interval)

    def on_step(self, trainer: Trainer) -> None:
        step, verdicts = self.scalars.last[0], self.scalars.verdicts
        if step == trainer.step:
            row: Row = {"step": step, "verdicts": dict(verdicts)}
            self._verdicts = with_point(self._verdicts, (step, row))
        if trainer.step % self._interval == 0:
            self._record(trainer.step)
        if trainer.step % self.every == 0:
            self._write()

    def on_end(self, trainer: Trainer) -> None:
        # A run that was complete when it started has no batch to diagnose.
        made_steps = trainer.step > self._start
        if made_steps and all(step < trainer.step for step, _ in self._verdicts):
            verdicts = {name: a.health().verdict for name, a in trainer.adversaries.items()}
            self._verdicts.append((trainer.step, {"step": trainer.step, "verdicts": verdicts}))
        if trainer.step and all(step < trainer.step for step, _ in self._frames):
            self._record(trainer.step)
        self._write()

    @property
    def rows(self) -> list[Row]:
        """Verdicts and frames in the order of their steps."""
        return [row for _, row in sorted((*self._verdicts, *self._frames), key=lambda p: p[0])]

    def _record(self, step: int) -> None:
        if self.plane is not None and not distributed.rank():
            with isolated(0), torch.no_grad():
                self._frames.append((step, self.plane.frame(step)))

    def _write(self) -> None:
        rows = self.rows
        if distributed.rank() or not rows:
            return
        rows = rows if self.plane is None else [self.plane.header(), *rows]
        with (
            self._unwritten.instead_of_errors("write a recording in", self.path.parent),
            atomic_write(self.path) as file,
        ):
            file.write("".join(f"{json.dumps(row)}\n" for row in rows).encode())


def read_recording(path: Path) -> list[Row]:
    """Read the rows of a file; lines of another form are left out, as in a damaged file.

    Args:
        path: The file.

    Returns:
        Rows with a step and verdicts, with a step and points, or with the real points.
    """
    rows: list[Row] = []
    with suppress(OSError, UnicodeDecodeError):
        for line in path.read_text().splitlines():
            with suppress(ValueError, TypeError, AttributeError, KeyError, RecursionError):
                rows.append(_row(json.loads(line)))
    return rows


def _row(value: Any) -> Row:
    """Return a row with values of the expected kinds only; raise an error for another value."""
    if "real" in value:
        return {
            "real": _points(value["real"]),
            "centre": [float(v) for v in value["centre"]][:2],
            "half": float(value["half"]),
            "cells": int(value["cells"]),
        }
    row: Row = {"step": int(value["step"])}
    if "verdicts" in value:
        return row | {"verdicts": {str(k): str(v) for k, v in value["verdicts"].items()}}
    row["fake"] = _points(value["fake"])
    return row | ({"surface": [float(v) for v in value["surface"]]} if "surface" in value else {})


def _points(value: Any) -> list[list[float]]:
    return [[float(x), float(y)] for x, y in value]


def _round(value: float, digits: int = 4) -> float:
    return float(f"{value:.{digits}g}")


def _rounded(values: Tensor, digits: int = 4) -> list[Any]:
    """Return the values as nested lists of rounded numbers; those that are not finite are 0."""
    plain = torch.nan_to_num(values.detach().double().cpu(), 0.0, 0.0, 0.0)
    flat = [_round(value, digits) for value in plain.flatten().tolist()]
    if plain.ndim == 1:
        return flat
    width = plain.shape[1]
    return [flat[start : start + width] for start in range(0, len(flat), width)]
