"""Stop a run that no longer improves."""

from collections.abc import Callable
from typing import Any, final

import torch

from advlearn.core import distributed
from advlearn.core.arguments import Count
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.rng import isolated


@final
class EarlyStopping(Callback):
    """Stop when a measure has not improved for several evaluations.

    Adversarial losses say little about progress, so the user supplies the measure: a two-sample
    distance, an accuracy, a return. Each evaluation uses the same random numbers and leaves those
    of the run unchanged. With several processes the measure is averaged over them, so that all stop
    together. NaN does not count as an improvement. A checkpoint keeps the count of evaluations: a
    resumed run that had stopped stays stopped, unless `patience` is larger.

    Args:
        measure: Function from the trainer to a number.
        every: Training steps between two evaluations.
        patience: Evaluations without improvement after which the run stops.
        higher_is_better: Whether a larger number is an improvement.

    Raises:
        ValueError: `every` or `patience` is not positive.

    Example:
        >>> EarlyStopping(
        ...     lambda trainer: trainer.last_losses()["task_loss"], every=100, patience=5
        ... ).best is None
        True
    """

    def __init__(
        self,
        measure: Callable[[Trainer], float],
        every: Count,
        patience: Count = 10,
        higher_is_better: bool = False,
    ) -> None:
        if every < 1 or patience < 1:
            name, value = ("every", every) if every < 1 else ("patience", patience)
            raise ValueError(f"{name}: expected at least 1, got {value}")
        self.measure = measure
        self.every = every
        self.patience = patience
        self.higher_is_better = higher_is_better
        self.best: float | None = None
        self.best_step = 0
        self.evaluations_since = 0

    @property
    def has_stopped(self) -> bool:
        """Whether the run has reached the number of evaluations without improvement."""
        return self.evaluations_since >= self.patience

    def on_start(self, trainer: Trainer) -> None:
        self._stop(trainer)

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % self.every:
            return
        value = self._evaluate(trainer)
        if self._improves(value):
            self.best, self.best_step, self.evaluations_since = value, trainer.step, 0
            return
        self.evaluations_since += 1
        self._stop(trainer)

    def _stop(self, trainer: Trainer) -> None:
        if not self.has_stopped:
            return
        best = (
            "no finite value"
            if self.best is None
            else f"best {self.best:.4g} at step {self.best_step}"
        )
        trainer.stop_reason = f"no improvement in {self.evaluations_since} evaluations, {best}"

    def state_dict(self) -> dict[str, Any]:
        return {
            "best": self.best,
            "best_step": self.best_step,
            "evaluations_since": self.evaluations_since,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.best, self.best_step, self.evaluations_since = (
            state["best"],
            state["best_step"],
            state["evaluations_since"],
        )

    def _evaluate(self, trainer: Trainer) -> float:
        with isolated(0), torch.no_grad():
            value = float(self.measure(trainer))
        if distributed.world_size() == 1:
            return value
        device = next(trainer.task.parameters()).device
        return float(distributed.mean(torch.tensor(value, device=device)))

    def _improves(self, value: float) -> bool:
        if self.best is None:
            return value == value
        return value > self.best if self.higher_is_better else value < self.best
