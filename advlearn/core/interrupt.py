"""Handle Ctrl-C between steps, so that a stopped run can resume exactly."""

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def between_steps() -> Generator[list[int]]:
    """Collect Ctrl-C instead of raising it; a second one raises at once.

    Yields:
        A list that is empty until Ctrl-C is pressed; check it between steps.
    """
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received  # only the main thread may handle signals
        return

    def note(number: int, _: FrameType | None) -> None:
        if received:
            raise KeyboardInterrupt
        received.append(number)

    before = signal.signal(signal.SIGINT, note)
    try:
        yield received
    finally:
        signal.signal(signal.SIGINT, before)
