"""Base class of experiments: train for a while, move one side, and describe what to draw."""

import math
import time
from abc import ABC, abstractmethod
from typing import Any, Literal, final

import torch
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.callback import Callback
from advlearn.core.task import Task
from advlearn.core.trainer import Trainer
from advlearn.lab.random_state import RandomState

Side = Literal["critic", "generator", "both"]
Frame = dict[str, Any]
STEPS = 1_000_000
FIGURES_EVERY = 0.5
"""Seconds of training between two computations of the figures and the verdict."""


class Experiment(ABC):
    """Hold one training run of the library, and draw its state.

    Args:
        settings: Checked settings; see `advlearn.lab.messages.SETTINGS`.

    Attributes:
        settings: The settings.
        random: The random state of the run.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.random = RandomState(settings["seed"])
        self._figures: dict[str, float] = {}
        self._verdict = ""
        self._figures_at = -math.inf

    @property
    @abstractmethod
    def step(self) -> int:
        """Steps of training so far."""

    @abstractmethod
    def train(self, seconds: float, steps: int) -> None:
        """Train until the time is over or `steps` steps are made."""

    @abstractmethod
    def scene(self) -> Frame:
        """Return what does not change while this run trains, such as the real points."""

    @abstractmethod
    def drawing(self) -> Frame:
        """Return what changes: points, surfaces, arrows."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Compute the figures of the curves."""

    @abstractmethod
    def verdict(self) -> str:
        """Return the health of the run in words."""

    def move(self, side: Side) -> None:
        """Make one step of one side or of both."""
        self.train(math.inf, 1)

    def take_over(self, other: "Experiment") -> None:  # noqa: B027 (nothing by default)
        """Continue from an experiment with other settings, as far as they are compatible."""

    def close(self) -> None:  # noqa: B027 (nothing by default)
        """Free what the run holds."""

    def frame(self, *, fresh: bool = False) -> Frame:
        """Return the state to draw.

        Args:
            fresh: Whether the figures must be computed again.
        """
        with self.random.used(kept=False):
            now = time.monotonic()
            if fresh or now - self._figures_at >= FIGURES_EVERY:
                self._figures = {k: _plain(v) for k, v in self.figures().items()}
                self._verdict = self.verdict()
                self._figures_at = now
            drawing = self.drawing()
        return {
            "step": self.step,
            "figures": self._figures,
            "health": self._verdict,
            **drawing,
        }


def _plain(value: float) -> Any:
    return float(f"{value:.5g}") if math.isfinite(value) else None


@final
class Slice(Callback):
    """Stop a Trainer after some time or some steps, so that `run` can be called again."""

    def __init__(self) -> None:
        self.deadline, self.last_step = math.inf, 0

    def on_step(self, trainer: Any) -> None:
        if trainer.step >= self.last_step or time.perf_counter() >= self.deadline:
            trainer.stop_reason = "the slice is over"


class TaskExperiment(Experiment):
    """Train a task of the library with one adversary by its `Trainer`.

    A subclass sets `task`, `adversary` and `trainer` with `_set`.
    """

    task: Task
    adversary: Adversary
    trainer: Trainer

    def _set(self, task: Task, name: str, adversary: Adversary, stream: Any, **given: Any) -> None:
        self.task, self.name, self.adversary = task, name, adversary
        self._slice = Slice()
        self.trainer = Trainer(
            task,
            {name: adversary},
            stream,
            steps=STEPS,
            callbacks=[self._slice],
            capture=False,
            schedule="constant",
            **given,
        )

    @property
    def step(self) -> int:
        return self.trainer.step

    def train(self, seconds: float, steps: int) -> None:
        self._slice.deadline = time.perf_counter() + seconds
        self._slice.last_step = self.trainer.step + steps
        with self.random.used():
            self.trainer.run()

    def move(self, side: Side) -> None:
        if side == "both":
            super().move(side)
            return
        with self.random.used():
            pair = self.task(next(self.trainer.data)).pairs[self.name]
            if side == "critic":
                self.adversary.update(*pair)
                return
            output = self.task(next(self.trainer.data))
            loss = self.adversary.player_loss(*output.pairs[self.name])
            self.trainer.optimizer.zero_grad()
            self.task.backward(output.loss, loss, self.task.trainable_parameters())
            self.trainer.optimizer.step()
            self.trainer.optimizer.zero_grad()

    def figures(self) -> dict[str, float]:
        return {key.rpartition("/")[2]: v for key, v in self.trainer.last_losses().items()}

    def verdict(self) -> str:
        if not self.adversary.last_losses:
            return "not trained yet"
        return str(self.adversary.health())


def lattice(side: int, bound: float) -> Tensor:
    """Return the points of a square lattice, row by row from the lowest y: (side^2, 2)."""
    axis = torch.linspace(-bound, bound, side)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return torch.stack([x.flatten(), y.flatten()], 1)
