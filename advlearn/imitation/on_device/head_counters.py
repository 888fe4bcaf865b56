"""The counters that a head keeps on the host, for CUDA graphs of its steps."""

from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from advlearn.core.head import Head


@final
class HeadCounters:
    """Count the steps of a head whose Python does not run, since a CUDA graph is replayed.

    Args:
        head: The head.

    Example:
        >>> import torch
        >>> from advlearn import Adversary
        >>> head = Adversary(torch.nn.Linear(2, 1), "gan")
        >>> counters = HeadCounters(head)
        >>> with counters.tracing():
        ...     _ = head.update(torch.zeros(4, 2), torch.ones(4, 2))
        >>> head.steps_done
        0
        >>> counters.replayed()
        >>> counters.replayed()
        >>> head.steps_done
        2
    """

    def __init__(self, head: Head) -> None:
        self._head = head
        self._counts: tuple[int, ...] = (0, 0, 0)
        self._notes: list[list[int]] = []

    @contextmanager
    def tracing(self) -> Iterator[None]:
        """Note what the head counts within the block, and take it back."""
        before = self._now()
        lengths = [len(steps) for steps in self._looks()]
        try:
            yield
        finally:
            after = self._now()
            self._counts = tuple(b - a for a, b in zip(before, after, strict=True))
            self._set(before)
            # Notes of a record that is new within the block start at its beginning.
            lengths += [0] * (len(self._looks()) - len(lengths))
            self._notes = []
            for steps, length in zip(self._looks(), lengths, strict=True):
                self._notes.append([step - before[0] for step in steps[length:]])
                del steps[length:]

    def replayed(self) -> None:
        """Count what was noted."""
        now = self._now()
        for steps, notes in zip(self._looks(), self._notes, strict=True):
            steps.extend(now[0] + note for note in notes)
        self._set(tuple(a + b for a, b in zip(now, self._counts, strict=True)))

    def _now(self) -> tuple[int, ...]:
        history = self._head._history
        return self._head.steps_done, history.critic_steps, history.rewards

    def _set(self, counts: tuple[int, ...]) -> None:
        history = self._head._history
        self._head.steps_done, history.critic_steps, history.rewards = counts

    def _looks(self) -> "list[array[int]]":
        return [group.steps for group in self._head._monitor._groups.values()]
