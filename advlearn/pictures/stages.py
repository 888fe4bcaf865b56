"""A picture of inputs and what becomes of them, again and again while a run trains."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from advlearn.core import processes
from advlearn.core.callback import Callback
from advlearn.core.trainer import Trainer
from advlearn.engine.rng import isolated
from advlearn.pictures.before_after import before_after


@final
class Stages(Callback):
    """A table of stages every so many steps and at the end: ``step-00001000.png`` and so on.

    Drawing leaves the run's own random numbers alone: a run is the same with pictures and without. Only the first
    process draws.

    Args:
        folder: Where the pictures go.
        every: Player steps between two pictures.
        columns: Returns the stages as `before_after` takes them: heading to images.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Stages("runs/demo", 500, columns=lambda: {"input": torch.zeros(2, 1, 8, 8)}).every
        500
    """

    def __init__(self, folder: str | Path, every: int = 1000, *, columns: Callable[[], Mapping[str, Tensor]]) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every
        self.columns = columns

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._save(trainer.step)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            self._save(trainer.step)

    def _save(self, step: int) -> None:
        if processes.rank() == 0:
            with isolated(0), torch.no_grad():
                columns = self.columns()
            before_after(columns, self.folder / f"step-{step:08d}.png")
