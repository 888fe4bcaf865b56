"""One session: a thread that trains the experiments of one page and sends what to draw."""

import json
import queue
import threading
import time
from collections.abc import Callable
from typing import Any, final

from advlearn.core.finite import NonFiniteError
from advlearn.lab.experiments import build
from advlearn.lab.experiments.base import Experiment
from advlearn.lab.messages import read_message

Send = Callable[[str], None]
SLICE, MOST_STEPS = 0.03, 200
"""Seconds, and steps, of training between two looks at the messages."""
WAITING = 64
"""Messages that may wait for the thread."""
UNANSWERED, PATIENCE = 2, 20.0
"""Frames that may be sent before the page answers that it has drawn one, and seconds of training
without an answer."""
_USER_ERRORS = (ValueError, TypeError, ImportError, NonFiniteError, RuntimeError)


@final
class Session:
    """Train one or two experiments in a thread, as the messages of one page say.

    Args:
        send: Called in the thread with the JSON text of each message to the page.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._inbox: queue.Queue[str | bytes] = queue.Queue(WAITING)
        self._experiments: list[Experiment] = []
        self._playing, self._closed = False, threading.Event()
        self._unanswered, self._answered_at = 0, time.monotonic()
        self._speed, self._counted = 0.0, (0.0, 0)
        self._thread = threading.Thread(target=self._run, name="advlearn-lab", daemon=True)
        self._thread.start()

    def receive(self, text: str | bytes) -> bool:
        """Hand a message to the thread; return False where too many are waiting."""
        try:
            self._inbox.put_nowait(text)
        except queue.Full:
            return False
        return True

    def close(self, timeout: float = 10.0) -> None:
        """End the thread, and wait for it."""
        self._closed.set()
        self._thread.join(timeout)

    @property
    def is_alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def _run(self) -> None:
        while not self._closed.is_set():
            try:
                self._next()
            except _USER_ERRORS as error:
                self._playing = False
                self._refuse(error)
        for experiment in self._experiments:
            experiment.close()

    def _next(self) -> None:
        """Handle a message, or train for a slice."""
        may_train = self._playing and time.monotonic() - self._answered_at < PATIENCE
        try:
            text = self._inbox.get(block=not may_train, timeout=0.2)
        except queue.Empty:
            text = None
        if text is not None:
            self._handle(read_message(text))
        elif may_train:
            self._train()

    def _handle(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "drawn":
            self._unanswered = max(0, self._unanswered - 1)
            self._answered_at = time.monotonic()
        elif kind == "start":
            self._start([build(settings) for settings in message["games"]])
        elif kind == "edit":
            self._edit(message["game"], message["settings"])
        elif not self._experiments:
            raise ValueError(f"{kind}: expected a started experiment, got none; send start first")
        elif kind == "step":
            self._playing = False
            for experiment in self._experiments:
                experiment.move(message["side"])
            self._send_frame(fresh=True)
        else:
            self._playing = kind == "play"
            self._unanswered, self._answered_at = 0, time.monotonic()
            self._counted = time.monotonic(), self._experiments[0].step
            self._tell({"type": "state", "playing": self._playing})

    def _start(self, experiments: list[Experiment]) -> None:
        for old in self._experiments:
            old.close()
        self._experiments, self._playing, self._unanswered = experiments, False, 0
        self._tell_started()

    def _edit(self, index: int, settings: dict[str, Any]) -> None:
        if index >= len(self._experiments):
            raise ValueError(f"game: expected one of {len(self._experiments)}, got {index}")
        old = self._experiments[index]
        new = build(settings)
        new.take_over(old)
        old.close()
        self._experiments[index] = new
        self._tell_started()

    def _tell_started(self) -> None:
        games = [{"settings": e.settings, "scene": e.scene()} for e in self._experiments]
        self._tell({"type": "started", "games": games, "playing": self._playing})
        self._send_frame(fresh=True)

    def _train(self) -> None:
        share = SLICE / len(self._experiments)
        for experiment in self._experiments:
            experiment.train(share, MOST_STEPS)
        now, (since, before) = time.monotonic(), self._counted
        if now - since >= 1:
            step = self._experiments[0].step
            self._speed = (step - before) / (now - since)
            self._counted = now, step
        if self._unanswered < UNANSWERED:
            self._send_frame()

    def _send_frame(self, *, fresh: bool = False) -> None:
        frames = [experiment.frame(fresh=fresh) for experiment in self._experiments]
        self._unanswered += 1
        self._tell({"type": "frame", "speed": round(self._speed, 1), "games": frames})

    def _refuse(self, error: Exception) -> None:
        line = " ".join(str(error).split())[:300]
        self._tell({"type": "refused", "message": line or type(error).__name__})

    def _tell(self, message: dict[str, Any]) -> None:
        if not self._closed.is_set():
            self._send(json.dumps(message, separators=(",", ":"), allow_nan=False))
