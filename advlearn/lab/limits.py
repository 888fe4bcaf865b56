"""Limits of the server: messages in a second, and connections at a time."""

import time
from collections.abc import Callable
from typing import final

SESSIONS = 6
"""Connections at a time; each trains in a thread."""
MESSAGES_PER_SECOND, BURST = 80.0, 160.0


@final
class RateLimit:
    """Allow a number of events in a second, and a burst of more.

    Args:
        rate: Events in a second.
        burst: Events at once.
        clock: Returns the seconds.

    Example:
        >>> limit = RateLimit(1, 2, clock=lambda: 0.0)
        >>> [limit.allows() for _ in range(3)]
        [True, True, False]
    """

    def __init__(
        self,
        rate: float = MESSAGES_PER_SECOND,
        burst: float = BURST,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.rate, self.burst, self.clock = rate, burst, clock
        self.left, self.last = burst, clock()

    def allows(self) -> bool:
        """Count one event, and return whether it is within the limit."""
        now = self.clock()
        self.left = min(self.burst, self.left + (now - self.last) * self.rate)
        self.last = now
        if self.left < 1:
            return False
        self.left -= 1
        return True
