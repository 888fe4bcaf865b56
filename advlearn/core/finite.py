"""Detect losses that are not finite, without waiting for the device at each step."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from array import array
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
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
        self._joined: list[tuple[tuple[str, ...], _Group]] = []

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
        if _open and not stacked.is_open():
            scalars = [value.float() for value in losses.values()]
            _open[-1].append(_Note(self, step, tuple(losses), scalars))
            return
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
            for names, group in (*self._groups.items(), *self._joined)
            for step, name in zip(group.failures(), names, strict=True)
            if step is not None
        ]
        return min(failures) if failures else None

    def join(self, names: tuple[str, ...], group: "_Group") -> None:
        """Add a group that is part of a joint look."""
        self._joined.append((names, group))


@final
class JointLooks:
    """Look once, at the end of a block, at all losses that monitors note in it.

    A step notes several losses at different places; a look at all of them together needs four
    operators on the device. A block that raises an error is not recorded.

    Example:
        >>> monitor, joint = FiniteMonitor(), JointLooks()
        >>> for step, value in enumerate((1.0, float("inf"))):
        ...     with joint.at_once():
        ...         monitor.note(step, {"loss": torch.tensor(value)})
        ...         monitor.note(step, {"norm": torch.tensor(1.0)})
        >>> monitor.first_failure()
        (1, 'loss')
    """

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], tuple[_Group, list[_Group]]] = {}

    def __deepcopy__(self, memo: dict[int, object]) -> "JointLooks":
        # Its monitors are not those of a copy.
        return JointLooks()

    @contextmanager
    def at_once(self) -> Generator[None]:
        """Collect the notes of all monitors, and look at them at the end of the block."""
        notes: list[_Note] = []
        _open.append(notes)
        try:
            yield
        finally:
            _open.remove(notes)
        by_device = sorted(notes, key=_device)
        for _, part in groupby(by_device, key=_device):
            self._look(list(part))

    @torch.no_grad()
    def _look(self, notes: "Sequence[_Note]") -> None:
        values = torch.stack([value for note in notes for value in note.scalars])
        key = tuple((note.monitor, note.names) for note in notes)
        if key not in self._known:
            self._known[key] = _joint_group(notes, values)
        whole, parts = self._known[key]
        for note, part in zip(notes, parts, strict=True):
            on_host(partial(part.count, note.number))
        whole.look(values)


@final
class _Note:
    """Hold losses until the look at the end of a block, and the step at which they were noted."""

    def __init__(
        self, monitor: FiniteMonitor, step: Step, names: tuple[str, ...], scalars: list[Tensor]
    ) -> None:
        self.monitor, self.names, self.scalars = monitor, names, scalars
        self._step = step
        self._number = 0
        on_host(self._count)

    def _count(self) -> None:
        self._number = self._step() if callable(self._step) else self._step

    def number(self) -> int:
        return self._number


# The notes of the open blocks of this process.
_open: list[list[_Note]] = []


def _device(note: _Note) -> str:
    return str(note.scalars[0].device)


@final
class _Group:
    """Count, for losses that come together, the looks at which each was still finite."""

    def __init__(self, values: Tensor, looks: Tensor | None = None) -> None:
        # Zero while all values were finite, then NaN.
        self.sum = torch.zeros_like(values) if looks is None else values
        self.looks = torch.zeros_like(values, dtype=torch.int64) if looks is None else looks
        # The step of each look, 8 bytes each.
        self.steps = array("q")

    def of_member(self, index: int) -> "_Group":
        group = _Group(self.sum[:, index])
        group.sum, group.looks = self.sum[:, index], self.looks[:, index]
        group.steps = self.steps
        return group

    def note(self, step: Step, values: Tensor) -> None:
        on_host(partial(self.count, step))
        self.look(values)

    def look(self, values: Tensor) -> None:
        # 0 x is NaN for an x that is not finite.
        self.looks += self.sum.add_(values, alpha=0) == 0

    def count(self, step: Step) -> None:
        self.steps.append(step() if callable(step) else step)

    def failures(self) -> list[int | None]:
        finite = zip((self.sum == 0).tolist(), self.looks.tolist(), strict=True)
        # A graph of the user's own repeats the look and not the count.
        last = len(self.steps) - 1
        return [None if still else self.steps[min(look, last)] for still, look in finite]


def _joint_group(notes: Sequence[_Note], values: Tensor) -> tuple[_Group, list[_Group]]:
    """Return the group of all notes, and a view of it for each, which its monitor reads."""
    whole = _Group(values)
    sizes = [len(note.scalars) for note in notes]
    sides = zip(whole.sum.split(sizes), whole.looks.split(sizes), strict=True)
    parts = [_Group(*side) for side in sides]
    for note, part in zip(notes, parts, strict=True):
        note.monitor.join(note.names, part)
    return whole, parts
