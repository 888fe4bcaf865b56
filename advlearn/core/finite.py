"""Detect losses that are not finite, without waiting for the device."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from array import array
from collections.abc import Mapping
from typing import cast, final

import torch
from torch import Tensor

# Steps whose losses are held and then examined together, to save operations at each step.
HELD = 64


@final
class NonFiniteError(RuntimeError):
    """A loss or a penalty became infinite or not a number."""


@final
class FiniteMonitor:
    """Count, on the device, the steps at which each loss was still finite.

    The scalars of up to 64 steps are held, and then examined in one go.

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

    def note(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Record the losses of a step.

        Args:
            step: The step that ended with these losses.
            losses: Scalars by name.
        """
        names = tuple(losses)
        group = self._groups.get(names)
        if group is None:
            group = self._groups[names] = _Group(len(names))
        group.note(step, [value.detach() for value in losses.values()])

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

    def __init__(self, size: int) -> None:
        self.size = size
        # One number for each loss, once the first steps are examined.
        self.still: Tensor | int = 1
        self.looks: Tensor | int = 0
        self.held: list[Tensor] = []
        # The step of each look, 8 bytes each.
        self.steps = array("q")

    def note(self, step: int, values: list[Tensor]) -> None:
        self.steps.append(step)
        self.held += values
        if len(self.held) >= HELD * self.size:
            self._examine()

    @torch.no_grad()
    def _examine(self) -> None:
        if not self.held:
            return
        values = torch.stack([value.float() for value in self.held]).view(-1, self.size)
        self.held.clear()
        # x - x == 0 holds only for finite x.
        finite = self.still * (values - values == 0).long().cumprod(0)
        self.still = finite[-1]
        self.looks = self.looks + finite.sum(0)

    def failures(self) -> list[int | None]:
        self._examine()
        still, looks = cast(Tensor, self.still).tolist(), cast(Tensor, self.looks).tolist()
        return [None if good else self.steps[look] for good, look in zip(still, looks, strict=True)]
