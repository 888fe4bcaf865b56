"""Handle Ctrl-C and SIGTERM between steps, so that a stopped run can resume exactly."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def between_steps() -> Generator[list[int]]:
    """Collect Ctrl-C and SIGTERM instead of raising; a second Ctrl-C raises at once.

    A program's own handler of SIGTERM stays in place. Processes forked in the block ignore Ctrl-C,
    which a terminal sends to them too, and end by SIGTERM.

    Yields:
        A list that is empty until a signal arrives; check it between steps.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may handle signals
        return
    process = os.getpid()
    before: dict[signal.Signals, Any] = {signal.SIGINT: signal.getsignal(signal.SIGINT)}
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        before[signal.SIGTERM] = signal.SIG_DFL

    def note(number: int, _: FrameType | None) -> None:
        if os.getpid() != process:
            if number == signal.SIGTERM:
                signal.signal(number, signal.SIG_DFL)
                os.kill(os.getpid(), number)
            return
        if received and number == signal.SIGINT:
            raise KeyboardInterrupt
        received.append(number)
        _ignore_ended_children(before)

    for number in before:
        signal.signal(number, note)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _ignore_ended_children(before: dict[signal.Signals, Any]) -> None:
    """Replace torch's handler that raises an error, in mid-step, when a data worker ends."""
    number = getattr(signal, "SIGCHLD", None)  # Windows has none
    if number is not None and number not in before and callable(signal.getsignal(number)):
        before[number] = signal.getsignal(number)
        signal.signal(number, _do_nothing)


def _do_nothing(number: int, _: FrameType | None) -> None:
    """Handle a signal without an effect."""
