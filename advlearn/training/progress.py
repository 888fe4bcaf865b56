"""Progress of a run and health of its critics, on a terminal or in a log."""

import sys
import time
from typing import TYPE_CHECKING, TextIO, final

from advlearn.core import distributed
from advlearn.core.arguments import NonNegative
from advlearn.core.trainer import Callback, Trainer

if TYPE_CHECKING:
    from rich.live import Live


@final
class Progress(Callback):
    """Show the step, the speed and the health of each critic during a run.

    On a terminal it is a bar; elsewhere it is one line at each tenth of the run. The first lines
    are `introduction` (`fit` describes the data and the networks there) and all settings of the
    run. At each update the trainer also checks that all losses
    are finite, so that a diverged run stops within seconds. Several processes update together, at
    each tenth of the run, and the first one prints.

    Args:
        every_seconds: Seconds between two updates.
        stream: Output stream; None is standard error.

    Raises:
        ValueError: `every_seconds` is negative.

    Example:
        >>> Progress(every_seconds=5).every_seconds
        5
    """

    def __init__(self, every_seconds: NonNegative = 1.0, stream: TextIO | None = None) -> None:
        if not every_seconds >= 0:
            raise ValueError(f"every_seconds: expected at least 0, got {every_seconds!r}")
        self.every_seconds = every_seconds
        self.stream = stream
        self.introduction: tuple[str, ...] = ()
        self._live: Live | None = None
        self._tenth = 0
        self._due = 0.0
        self._last = (0, 0.0)

    def on_start(self, trainer: Trainer) -> None:
        self._tenth = 10 * trainer.step // trainer.steps
        now = time.monotonic()
        self._last, self._due = (trainer.step, now), now + self.every_seconds
        for line in self.introduction:
            self._print(line)
        self._print(trainer.describe())
        if trainer.step:
            self._print(f"resumed at step {trainer.step}")
        if distributed.world_size() == 1 and self._out.isatty():
            self._live = _live(self._out)
            self._live.start()
            # An error elsewhere ends the run without a call to on_end, which would leave the cursor
            # hidden.
            self._live.console.show_cursor(True)

    def on_step(self, trainer: Trainer) -> None:
        tenth = 10 * trainer.step // trainer.steps
        # Clocks differ between processes, so several processes update by step only.
        timed = distributed.world_size() == 1 and time.monotonic() >= self._due
        if not timed and tenth == self._tenth:
            return
        try:
            self._update(trainer, new_tenth=tenth > self._tenth)
        except BaseException:
            self._close()
            raise
        self._tenth = tenth
        self._due = time.monotonic() + self.every_seconds

    def on_end(self, trainer: Trainer) -> None:
        self._close()
        if trainer.stop_reason is not None:
            self._print(f"stopped at step {trainer.step} of {trainer.steps}: {trainer.stop_reason}")

    def _update(self, trainer: Trainer, new_tenth: bool) -> None:
        trainer.raise_if_not_finite()
        if self._live is None and not new_tenth:
            return
        speed = self._speed(trainer.step)
        head, state = (
            f"step {trainer.step}/{trainer.steps}  {speed:,.0f} steps/s",
            state_of(trainer),
        )
        if self._live is None:
            self._print(f"{head}  {state}")
            return
        left = round((trainer.steps - trainer.step) / speed)
        _show(
            self._live,
            f"{head}  {left // 60}:{left % 60:02d} left\n{state}",
            trainer.step / trainer.steps,
        )

    def _speed(self, step: int) -> float:
        """Return the steps per second since the last call, which follows a host synchronisation."""
        (before, then), now = self._last, time.monotonic()
        self._last = (step, now)
        return max(step - before, 1) / max(now - then, 1e-9)

    def _close(self) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None

    @property
    def _out(self) -> TextIO:
        return sys.stderr if self.stream is None else self.stream

    def _print(self, line: str) -> None:
        if distributed.rank() == 0:
            print(line, file=self._out, flush=True)


def state_of(trainer: Trainer) -> str:
    """Describe the last batch of each adversary in one line; this synchronises with the device.

    Args:
        trainer: A run after at least one step.

    Returns:
        Critic loss, estimated divergence and health verdict of each adversary, with its name if
        there are several; the task's losses without an adversary.
    """
    if not trainer.adversaries:
        return "  ".join(f"{name} {value:.3g}" for name, value in trainer.last_losses().items())
    parts: list[str] = []
    for name, adversary in trainer.adversaries.items():
        health = adversary.health()
        label = f"{name}: " if len(trainer.adversaries) > 1 else ""
        parts.append(
            f"{label}critic loss {health.critic_loss:.3g}  "
            f"estimate {health.divergence_estimate:.3g}  {health.verdict}"
        )
    return "; ".join(parts)


def _live(stream: TextIO) -> "Live":
    from rich.console import Console
    from rich.live import Live

    # No refresh thread, and no redirected streams that an error would not restore.
    console = Console(file=stream)
    return Live(console=console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)


def _show(live: "Live", text: str, fraction: float) -> None:
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.text import Text

    live.update(Group(Text(text), ProgressBar(1.0, fraction, width=60)), refresh=True)
