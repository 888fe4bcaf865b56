"""Keep the averaged model that is best on a validation part, and stop without a better one."""

import copy
from collections.abc import Callable
from typing import Any, final

import torch

from advlearn.core.trainer import Callback, Trainer
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated

EVALUATIONS = 20

Value = tuple[float, ...]


@final
class BestCheckpoint(Callback):
    """Keep the averaged model with the largest value, and stop when it stays without a better one.

    Args:
        measure: Function from the averaged task to a value; tuples are compared in order.
        every: Training steps between two evaluations; the last step is evaluated too.
        patience: Evaluations without a better value before a stop; None never stops.
    """

    def __init__(
        self, measure: Callable[[Any], Value], every: int, patience: int | None = None
    ) -> None:
        self.measure = measure
        self.every = every
        self.patience = patience
        self.best: Value | None = None
        self.best_step = 0
        self._state: dict[str, Any] = {}
        self._last = -1

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._evaluate(trainer)
            waited = (trainer.step - self.best_step) // self.every
            if self.patience is not None and waited >= self.patience:
                trainer.stop_reason = f"no better checkpoint in {waited} evaluations"

    def on_end(self, trainer: Trainer) -> None:
        if self._last != trainer.step:
            self._evaluate(trainer)
        _averaged(trainer).load_state_dict(self._state)

    def _evaluate(self, trainer: Trainer) -> None:
        model, self._last = _averaged(trainer), trainer.step
        with isolated(0), torch.no_grad():
            value = self.measure(model)
        if self.best is None or value > self.best:
            self.best, self.best_step = value, trainer.step
            self._state = copy.deepcopy(model.state_dict())


def _averaged(trainer: Trainer) -> Any:
    return next(callback.module for callback in trainer.callbacks if isinstance(callback, EMA))
