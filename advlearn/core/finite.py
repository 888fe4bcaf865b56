"""Detect losses that are not finite, without waiting for the device at each step."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from array import array
from collections.abc import Callable, Mapping
from functools import partial
from typing import final

import torch
from torch import Tensor

from advlearn.core import stacked
from advlearn.core.host_parts import on_host

Step = int | Callable[[], int]


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
        self._groups: dict[tuple[str, ...], _Group] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> "FiniteMonitor":
        # A copy of a model begins a new record.
        return FiniteMonitor()

    @torch.no_grad()
    def note(self, step: Step, losses: Mapping[str, Tensor]) -> None:
        """Record the losses of a step.

        Args:
            step: The step that ended with these losses; a function that returns it, in a step that
                may be captured.
            losses: Scalars by name.
        """
        scalars = [stacked.of_all(value) for value in losses.values()]
        # Of several games computed as one, (losses, members).
        with stacked.outside():
            scalars = [value.float() for value in scalars]
            values = scalars[0][None] if len(scalars) == 1 else torch.stack(scalars)
            group = self._groups.get(tuple(losses))
            if group is None:
                group = self._groups[tuple(losses)] = _Group(values)
            group.note(step, values)

    def of_member(self, index: int) -> "FiniteMonitor":
        """Return the record of one of several games that are computed as one, as a view."""
        monitor = FiniteMonitor()
        monitor._groups = {names: g.of_member(index) for names, g in self._groups.items()}
        return monitor

    def first_failure(self) -> tuple[int, str] | None:
        """Return the first step and loss that were not finite, or None; waits for the device."""
        failures = [
            (step, name)
            for names, group in self._groups.items()
            for step, name in zip(group.failures(), names, strict=True)
            if step is not None
        ]
        return min(failures) if failures else None


@final
class _Group:
    """Count, for losses that come together, the looks at which each was still finite."""

    def __init__(self, values: Tensor) -> None:
        # Zero while all values were finite, then NaN.
        self.sum = torch.zeros_like(values)
        self.looks = torch.zeros_like(values, dtype=torch.int64)
        # The step of each look, 8 bytes each.
        self.steps = array("q")

    def of_member(self, index: int) -> "_Group":
        group = _Group(self.sum[:, index])
        group.sum, group.looks = self.sum[:, index], self.looks[:, index]
        group.steps = self.steps
        return group

    def note(self, step: Step, values: Tensor) -> None:
        on_host(partial(self.count, step))
        # 0 x is NaN for an x that is not finite.
        self.looks += self.sum.add_(values, alpha=0) == 0

    def count(self, step: Step) -> None:
        self.steps.append(step() if callable(step) else step)

    def failures(self) -> list[int | None]:
        finite = zip((self.sum == 0).tolist(), self.looks.tolist(), strict=True)
        # A graph of the user's own repeats the look and not the count.
        last = len(self.steps) - 1
        return [None if still else self.steps[min(look, last)] for still, look in finite]
