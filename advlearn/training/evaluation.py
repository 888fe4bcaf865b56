"""Measure the averaged model at regular intervals, on data that it is not trained on."""

from collections.abc import Callable, Mapping
from typing import Any, final

import torch

from advlearn.core.arguments import Count
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.ema import EMA
from advlearn.training.rng import isolated


@final
class Evaluation(Callback):
    """Measure the averaged model at regular intervals and at the end, and keep all results.

    Each evaluation uses the same random numbers and leaves those of the run unchanged.

    Args:
        measure: Function from the task with averaged weights, in evaluation mode, to results by
            name; the first one is `value`.
        every: Training steps between two evaluations.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> Evaluation(lambda model: {"frechet distance": 1.0}, every=100).results
        []
    """

    def __init__(self, measure: Callable[[Any], Mapping[str, float]], every: Count) -> None:
        self.measure = measure
        self.every = every
        self.results: list[tuple[int, dict[str, float]]] = []

    @property
    def value(self) -> float:
        """The first number of the last evaluation."""
        return next(iter(self.results[-1][1].values()))

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every == 0:
            self._evaluate(trainer)

    def on_end(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            self._evaluate(trainer)

    def state_dict(self) -> dict[str, Any]:
        return {"results": [[step, dict(figures)] for step, figures in self.results]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.results = [(step, dict(figures)) for step, figures in state["results"]]

    def _evaluate(self, trainer: Trainer) -> None:
        average = next(c for c in trainer.callbacks if isinstance(c, EMA))
        with isolated(0), torch.no_grad():
            figures = {name: float(value) for name, value in self.measure(average.module).items()}
        # A run that is stopped and resumed evaluates its last step twice.
        self.results = [row for row in self.results if row[0] != trainer.step]
        self.results.append((trainer.step, figures))
