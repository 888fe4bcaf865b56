"""How far a run is and how it fares, on a terminal or in a log."""

import sys
import time
from typing import TYPE_CHECKING, TextIO, final

from advlearn.core import processes
from advlearn.core.callback import Callback
from advlearn.core.trainer import Trainer

if TYPE_CHECKING:
    from rich.progress import Progress as Bar


@final
class Progress(Callback):
    """A bar on a terminal, a line at each tenth elsewhere: step, speed, and how each critic fares in words.

    The first lines say what runs, with every default that applies. At its interval it also makes the trainer
    check that all losses are finite, so a run that has failed stops within seconds. Several processes look at
    their critics together, at each tenth of the run; the first one prints.

    Args:
        every_seconds: Seconds between two looks.
        stream: Where it goes; standard error if None.

    Raises:
        ValueError: `every_seconds` is negative.

    Example:
        >>> Progress(every_seconds=5).every_seconds
        5
    """

    def __init__(self, every_seconds: float = 1.0, stream: TextIO | None = None) -> None:
        if not every_seconds >= 0:
            raise ValueError(f"every_seconds: expected at least 0, got {every_seconds!r}")
        self.every_seconds = every_seconds
        self.stream = stream
        self._bar: Bar | None = None
        self._tenth = 0
        self._due = 0.0
        self._last = (0, 0.0)

    def on_start(self, trainer: Trainer) -> None:
        self._tenth = 10 * trainer.step // trainer.steps
        now = time.monotonic()
        self._last, self._due = (trainer.step, now), now + self.every_seconds
        self._print(trainer.describe())
        if trainer.step:
            self._print(f"goes on from step {trainer.step}")
        if processes.world() == 1 and self._out.isatty():
            self._bar = _bar(self._out)
            self._bar.add_task("", total=trainer.steps, completed=trainer.step, words="")
            self._bar.start()
            # An error elsewhere ends the run without a call to on_end; the cursor must not stay hidden then.
            self._bar.console.show_cursor(True)

    def on_step(self, trainer: Trainer) -> None:
        tenth = 10 * trainer.step // trainer.steps
        # Clocks differ between processes, and a look may wait for the others: together they look by step
        # alone.
        timed = processes.world() == 1 and time.monotonic() >= self._due
        if not timed and tenth == self._tenth:
            return
        try:
            self._look(trainer, new_tenth=tenth > self._tenth)
        except BaseException:
            self._close()
            raise
        self._tenth = tenth
        self._due = time.monotonic() + self.every_seconds

    def on_end(self, trainer: Trainer) -> None:
        self._close()
        if trainer.stop_reason is not None:
            self._print(f"stopped at step {trainer.step} of {trainer.steps}: {trainer.stop_reason}")

    def _look(self, trainer: Trainer, new_tenth: bool) -> None:
        trainer.check()
        if self._bar is None and not new_tenth:
            return
        words = f"{self._speed(trainer.step):,.0f} steps/s  {state_of(trainer)}"
        if self._bar is None:
            self._print(f"step {trainer.step}/{trainer.steps}  {words}")
        else:
            self._bar.update(self._bar.task_ids[0], completed=trainer.step, words=words)
            self._bar.refresh()

    def _speed(self, step: int) -> float:
        """Steps per second since the last call; the device has been waited for."""
        (before, then), now = self._last, time.monotonic()
        self._last = (step, now)
        return (step - before) / max(now - then, 1e-9)

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    @property
    def _out(self) -> TextIO:
        return sys.stderr if self.stream is None else self.stream

    def _print(self, line: str) -> None:
        if processes.rank() == 0:
            print(line, file=self._out, flush=True)


def state_of(trainer: Trainer) -> str:
    """What each adversary's last batch says, in one line; waits for the device.

    Args:
        trainer: A run that has made a step.

    Returns:
        Critic loss, estimated divergence and the verdict in words; with several adversaries, after its name.
    """
    parts: list[str] = []
    for name, adversary in trainer.adversaries.items():
        health = adversary.health()
        label = f"{name}: " if len(trainer.adversaries) > 1 else ""
        parts.append(
            f"{label}critic loss {health.critic_loss:.3g}  estimate {health.estimate:.3g}  {health.verdict}"
        )
    return "; ".join(parts)


def _bar(stream: TextIO) -> "Bar":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar
    from rich.table import Column

    words = TextColumn(
        "{task.fields[words]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")
    )
    columns = (BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn(), words)
    return Bar(*columns, console=Console(file=stream), auto_refresh=False)  # no thread beside the training
