"""Keep the averaged model that is best by a measure, instead of the last one."""

import copy
from collections.abc import Callable
from typing import Any, final

import torch

from advlearn.core.arguments import Count
from advlearn.core.task import Task
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated


@final
class KeepBestModel(Callback):
    """Evaluate the averaged model at regular intervals, and end the run with the best one.

    As a callback of `fit` it determines `Run.ema_model` and therefore `predict`. In domain
    adaptation the measure must not use target labels: use
    `advlearn.metrics.information_maximisation` of the predictions on the target, or
    `reverse_validation`. Each evaluation uses the same random numbers and leaves those of the run
    unchanged. NaN is never the best value.

    Args:
        measure: Function from the task with averaged weights, in evaluation mode, to a number.
        every: Training steps between two evaluations; the last step is evaluated too.
        higher_is_better: Whether a larger number is better.

    Raises:
        ValueError: `every` is not positive; at the start of a run, no `EMA` before this callback.

    Example:
        >>> import advlearn
        >>> from advlearn.data import load
        >>> from advlearn.metrics import information_maximisation
        >>> target = load("digits").x[:100]
        >>> best = KeepBestModel(
        ...     lambda model: information_maximisation(model.predict(target)), every=2
        ... )
        >>> run = advlearn.fit(
        ...     "domain_adaptation", data="digits->digits", steps=4, device="cpu", callbacks=[best]
        ... )
        >>> information_maximisation(run.predict(target)) == best.best
        True
    """

    def __init__(
        self, measure: Callable[[Any], float], every: Count, higher_is_better: bool = True
    ) -> None:
        if every < 1:
            raise ValueError(f"every: expected at least 1, got {every}")
        self.measure = measure
        self.every = every
        self.higher_is_better = higher_is_better
        self.best: float | None = None
        self.best_step = 0
        self._state: dict[str, Any] | None = None
        self._replaced: dict[str, Any] | None = None

    def on_start(self, trainer: Trainer) -> None:
        before = trainer.callbacks[: trainer.callbacks.index(self)]
        if not any(isinstance(callback, EMA) for callback in before):
            raise ValueError(
                "callbacks: expected an EMA before KeepBestModel, got none; add an EMA to "
                "the callbacks"
            )
        if self._replaced is not None:
            # A run that continues after its end averages on from the last model, not the best one.
            _averaged(trainer).load_state_dict(self._replaced)
            self._replaced = None

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._evaluate(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            self._evaluate(trainer)
        stopped = any(isinstance(c, EarlyStopping) and c.has_stopped for c in trainer.callbacks)
        if self._state is not None and (trainer.step == trainer.steps or stopped):
            model = _averaged(trainer)
            self._replaced = copy.deepcopy(model.state_dict())
            model.load_state_dict(self._state)

    def state_dict(self) -> dict[str, Any]:
        if self._state is None:
            return {}
        state = {"best": self.best, "best_step": self.best_step, "model": self._state}
        return state if self._replaced is None else {**state, "replaced": self._replaced}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        if state:  # empty in a checkpoint from before the first evaluation
            self.best, self.best_step, self._state = (
                state["best"],
                state["best_step"],
                state["model"],
            )
            self._replaced = state.get("replaced")

    def _evaluate(self, trainer: Trainer) -> None:
        model = _averaged(trainer)
        with isolated(0), torch.no_grad():
            value = float(self.measure(model))
        better = self.best is None or (
            value > self.best if self.higher_is_better else value < self.best
        )
        if better and value == value:
            self.best, self.best_step, self._state = (
                value,
                trainer.step,
                copy.deepcopy(model.state_dict()),
            )


def _averaged(trainer: Trainer) -> Task:
    return next(callback.module for callback in trainer.callbacks if isinstance(callback, EMA))
