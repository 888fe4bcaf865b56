"""Callback that draws plots into a run's folder at regular intervals."""

from abc import abstractmethod
from pathlib import Path

import torch

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.rng import isolated
from advlearn.training.warn_once import WarnOnce


class PeriodicPlot(Callback):
    """Draw a plot at regular intervals and at the end of a run.

    All plots use the same random numbers, which makes them comparable, and leave those of the run
    unchanged: a run is the same with and without plots. Only the first process draws. A file that
    cannot be written is a warning, once, and training continues.

    Args:
        folder: Folder of the files.
        every: Training steps between two plots.

    Raises:
        ValueError: `every` is not positive.
    """

    def __init__(self, folder: str | Path, every: Count) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every
        self._unwritten = WarnOnce()

    @abstractmethod
    def draw(self, step: int) -> None:
        """Write the plots of a step.

        Args:
            step: The training step.
        """

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._draw_isolated(trainer.step)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            self._draw_isolated(trainer.step)

    def _draw_isolated(self, step: int) -> None:
        if distributed.rank() == 0:
            with (
                isolated(0),
                torch.no_grad(),
                self._unwritten.instead_of_errors("write pictures in", self.folder),
            ):
                self.draw(step)
