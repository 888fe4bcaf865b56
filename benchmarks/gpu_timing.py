"""Time the steps of a run or of a hand-written loop, in rounds of several steps."""

import statistics
import time
from collections.abc import Callable

import torch

from advlearn.core.trainer import Callback, Trainer

WARM = 12


class Timer(Callback):
    """Time a run in rounds of several steps, after the first ones.

    Args:
        rounds: Rounds.
        each: Steps in a round.
        device: Device of the run.
        warm: Steps before the first round.
    """

    def __init__(self, rounds: int, each: int, device: str, warm: int = WARM) -> None:
        self.rounds, self.each, self.device, self.warm = rounds, each, device, warm
        self.times: list[float] = []
        self.losses: list[dict[str, float]] = []
        self._start = 0.0

    def on_step(self, trainer: Trainer) -> None:
        """Note the time at the end of each round."""
        if trainer.step >= self.warm and (trainer.step - self.warm) % self.each == 0:
            wait(self.device)
            now = time.perf_counter()
            if trainer.step > self.warm:
                self.times.append((now - self._start) / self.each)
            self._start = now

    @property
    def steps(self) -> int:
        """Steps of the run that has all rounds."""
        return self.warm + self.rounds * self.each

    @property
    def milliseconds(self) -> float:
        """Median time of a step."""
        return 1e3 * statistics.median(self.times)


def timer_of(rounds: int, each: int, device: str, quick: bool) -> Timer:
    """Return a timer; that of a quick run ends after three steps."""
    return Timer(1, 1, device, warm=2) if quick else Timer(rounds, each, device)


def wait(device: str) -> None:
    """Wait until the device has finished its work."""
    if device != "cpu":
        torch.cuda.synchronize()


def timed(step: Callable[[], None], timer: Timer) -> float:
    """Return the median time of a hand-written step in ms, in the rounds of a timer."""
    for _ in range(timer.warm):
        step()
    times = list[float]()
    for _ in range(timer.rounds):
        wait(timer.device)
        start = time.perf_counter()
        for _ in range(timer.each):
            step()
        wait(timer.device)
        times.append((time.perf_counter() - start) / timer.each)
    return 1e3 * statistics.median(times)
