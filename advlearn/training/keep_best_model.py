"""The best of a run's players by a measure, which need not be the last one."""

import copy
from collections.abc import Callable
from typing import Any, final

import torch

from advlearn.core.task import Task
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated


@final
class KeepBestModel(Callback):
    """Look at the averaged player every so often, and end the run with the one that measured best.

    Handed to `fit` as one of its callbacks, it decides what `Run.ema_model`, and so `predict`, is.
    In adaptation the measure must do without target labels:
    `advlearn.metrics.information_maximisation` of the predictions on the target, or
    `reverse_validation`. It is taken from the same random numbers each time, apart from the run's
    own. NaN is never the best.

    Args:
        measure: Takes the task with averaged weights, in evaluation mode; returns a number.
        every: Player steps between two looks; the end of the run is looked at too.
        higher_is_better: Whether a larger number is better.

    Raises:
        ValueError: If `every` is not positive; at the start of a run without an `EMA` before this
        callback.

    Example:
        >>> import advlearn
        >>> from advlearn.data import load
        >>> from advlearn.metrics import information_maximisation
        >>> target = load("digits").x[:100]
        >>> best = KeepBestModel(
        ...     lambda player: information_maximisation(player.predict(target)), every=2
        ... )
        >>> run = advlearn.fit(
        ...     "domain_adaptation", data="digits->digits", steps=4, device="cpu", callbacks=[best]
        ... )
        >>> information_maximisation(run.predict(target)) == best.best
        True
    """

    def __init__(
        self, measure: Callable[[Any], float], every: int, higher_is_better: bool = True
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        self.measure = measure
        self.every = every
        self.higher_is_better = higher_is_better
        self.best: float | None = None
        self.best_step = 0
        self._state: dict[str, Any] | None = None

    def on_start(self, trainer: Trainer) -> None:
        before = trainer.callbacks[: trainer.callbacks.index(self)]
        if not any(isinstance(callback, EMA) for callback in before):
            raise ValueError(
                "callbacks: expected an Average before KeepBestModel, which chooses among its players"
            )

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._look(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            self._look(trainer)
        if self._state is not None and trainer.step == trainer.steps:
            _averaged(trainer).load_state_dict(self._state)

    def state_dict(self) -> dict[str, Any]:
        if self._state is None:
            return {}
        return {"best": self.best, "best_step": self.best_step, "player": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:  # a checkpoint of a run's start is from before the first look
            self.best, self.best_step, self._state = (
                state["best"],
                state["best_step"],
                state["player"],
            )

    def _look(self, trainer: Trainer) -> None:
        player = _averaged(trainer)
        with isolated(0), torch.no_grad():
            value = float(self.measure(player))
        better = self.best is None or (
            value > self.best if self.higher_is_better else value < self.best
        )
        if better and value == value:
            self.best, self.best_step, self._state = (
                value,
                trainer.step,
                copy.deepcopy(player.state_dict()),
            )


def _averaged(trainer: Trainer) -> Task:
    return next(callback.module for callback in trainer.callbacks if isinstance(callback, EMA))
