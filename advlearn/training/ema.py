"""Exponential moving average of the trained parameters."""

import copy
from typing import Any, final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Share
from advlearn.core.task import Task
from advlearn.core.trainer import Callback, Trainer


@final
class EMA(Callback):
    r"""Average the trained parameters exponentially over the steps.

    .. math::

        \bar\theta \leftarrow d_t \bar\theta + (1 - d_t)\,\theta, \qquad
        d_t = \min(d, (1 + t) / (10 + t))

    t is the number of earlier updates: with the warm-up of d_t the average forgets the initial
    weights quickly. The average usually samples better than the last weights. Buffers, such as
    batch-norm statistics, are copied.

    Args:
        decay: Final decay d, in [0, 1).

    Raises:
        ValueError: `decay` out of range.

    Example:
        >>> EMA(0.99).decay_at(0), EMA(0.99).decay_at(10_000)
        (0.1, 0.99)

    Reference:
        Karras et al. 2018, Progressive Growing of GANs, section 5.1,
        https://arxiv.org/abs/1710.10196.

    Deviations:
        The decay warms up; the paper's is constant.
    """

    def __init__(self, decay: Share = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay: expected a number in [0, 1), got {decay!r}")
        self.decay = decay
        self.updates = 0
        self._module: nn.Module | None = None
        self._averaged: list[Tensor] = []
        self._followed: list[Tensor] = []
        self._loaded: dict[str, Any] | None = None

    @property
    def module(self) -> Task:
        """Frozen copy of the task with averaged parameters, in evaluation mode.

        Raises:
            RuntimeError: Before the run has started.
        """
        if not isinstance(self._module, Task):
            raise RuntimeError(
                "ema: expected a run that has started, got none; run the trainer first"
            )
        return self._module

    def decay_at(self, updates: int) -> float:
        """Return the decay after a number of updates."""
        return min(self.decay, (1 + updates) / (10 + updates))

    def on_start(self, trainer: Trainer) -> None:
        if self._module is None:
            self._module = copy.deepcopy(trainer.task).requires_grad_(False).eval()
        self._averaged, self._followed = (
            list(self._module.parameters()),
            list(trainer.task.parameters()),
        )
        if self._loaded is not None:
            self._module.load_state_dict(self._loaded)
            self._loaded = None

    @torch.no_grad()
    def on_step(self, trainer: Trainer) -> None:
        # One kernel for all parameters, like the optimizers of torch.
        lerp, copy_ = torch._foreach_lerp_, torch._foreach_copy_  # pyright: ignore[reportPrivateImportUsage]
        lerp(self._averaged, self._followed, 1 - self.decay_at(self.updates))
        self.updates += 1
        # A module may replace a buffer by a new tensor, so buffers are looked up each time.
        buffers = list(self.module.buffers())
        if buffers:
            copy_(buffers, list(trainer.task.buffers()))

    def state_dict(self) -> dict[str, Any]:
        return (
            {}
            if self._module is None
            else {"updates": self.updates, "module": self._module.state_dict()}
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.updates = state["updates"]
        if self._module is None:
            self._loaded = state["module"]  # loaded into the copy when the run starts
        else:
            self._module.load_state_dict(state["module"])
