"""Something drawn into a run's folder, again and again."""

from abc import abstractmethod
from pathlib import Path

import torch

from advlearn.core import distributed
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.rng import isolated


class PeriodicPlot(Callback):
    """Draw every so many steps and at the end.

    Each drawing starts from the same random numbers, so that pictures compare, and leaves the run's
    own alone: a run is the same with pictures and without. Only the first process draws.

    Args:
        folder: Where the pictures go.
        every: Player steps between two drawings.

    Raises:
        ValueError: `every` is not positive.
    """

    def __init__(self, folder: str | Path, every: int) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        self.folder = Path(folder)
        self.every = every

    @abstractmethod
    def draw(self, step: int) -> None:
        """Write the pictures of a step."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._drawn(trainer.step)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            self._drawn(trainer.step)

    def _drawn(self, step: int) -> None:
        if distributed.rank() == 0:
            with isolated(0), torch.no_grad():
                self.draw(step)
