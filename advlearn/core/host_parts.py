"""Host parts of a training step: counts and notes, repeated when a captured step is replayed."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import copy
from array import array
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import Any, final

HostPart = Callable[[], None]


@final
class HostParts:
    """Record the host parts of one step, to repeat them or to undo them.

    A CUDA graph replays kernels only. The counts that the step keeps in Python objects, and the
    tensors that it hands out, are its host parts; each is a bound method, or a partial of one.

    Example:
        >>> class Steps:
        ...     done = 0
        ...
        ...     def count(self) -> None:
        ...         self.done += 1
        >>> steps, parts = Steps(), HostParts()
        >>> with parts.recorded():
        ...     on_host(steps.count)
        >>> parts.repeat()
        >>> steps.done
        2
    """

    def __init__(self) -> None:
        self._parts: list[HostPart] = []
        self._before: list[tuple[Any, dict[str, Any]]] = []

    @contextmanager
    def recorded(self) -> Generator[None]:
        """Record every part that runs in the block."""
        _recording.append(self)
        try:
            yield
        finally:
            _recording.remove(self)

    def note(self, part: HostPart) -> None:
        """Record a part that is about to run, and the counts of its owner before it."""
        owner = getattr(part.func if isinstance(part, partial) else part, "__self__", None)
        if owner is not None and all(owner is not known for known, _ in self._before):
            counts = {k: copy.copy(v) for k, v in vars(owner).items() if isinstance(v, int | array)}
            self._before.append((owner, counts))
        self._parts.append(part)

    def repeat(self) -> None:
        """Run the parts again, in their order."""
        for part in self._parts:
            part()

    def undo(self) -> None:
        """Give every owner the counts that it had before its first part."""
        for owner, counts in self._before:
            vars(owner).update(counts)


# The open recordings of this process.
_recording: list[HostParts] = []


def on_host(part: HostPart) -> None:
    """Run a host part of a training step now, and again after each replay of a captured step.

    Args:
        part: A bound method, or a partial of one, that changes counts or keeps tensors. It must
            not read the values of a tensor.
    """
    for record in _recording:
        record.note(part)
    part()
