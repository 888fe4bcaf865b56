"""Detect losses that are not finite, without waiting for the device at each step."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Mapping
from typing import final

import torch
from torch import Tensor


@final
class NonFiniteError(RuntimeError):
    """A loss or a penalty became infinite or not a number."""


@final
class FiniteMonitor:
    """Count, on the device, the steps at which each loss was still finite.

    Example:
        >>> monitor = FiniteMonitor()
        >>> for step, value in enumerate((1.0, float("nan"), 1.0)):
        ...     monitor.note(step, {"loss": torch.tensor(value)})
        >>> monitor.first_failure()
        (1, 'loss')
    """

    def __init__(self) -> None:
        self._names: list[str] = []
        self._first_step = 0
        self._still: Tensor | None = None
        self._steps: Tensor | None = None

    @torch.no_grad()
    def note(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Record the losses of a step.

        Args:
            step: The step that ended with these losses.
            losses: Scalars by name; the same names at each step.
        """
        values = torch.stack(list(losses.values()))
        if self._still is None or self._steps is None:
            self._names, self._first_step = list(losses), step
            self._still = torch.ones_like(values, dtype=torch.bool)
            self._steps = torch.zeros_like(values, dtype=torch.int64)
        # x - x == 0 holds only for finite x.
        self._steps += self._still.logical_and_(values - values == 0)

    def first_failure(self) -> tuple[int, str] | None:
        """Return the first step and loss that were not finite, or None; waits for the device."""
        if self._still is None or self._steps is None:
            return None
        counted = zip(self._names, self._still.tolist(), self._steps.tolist(), strict=True)
        failures = [(self._first_step + n, name) for name, finite, n in counted if not finite]
        return min(failures) if failures else None
