"""When a critic and its loss for the model set in, and how their rate and weight rise."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from advlearn.core.chain import Schedule
from advlearn.core.checks import check_choice, check_count
from advlearn.core.schedules import factor

SIDES = ("critic", "learner")
Steps = int | Mapping[str, int]


@final
@dataclass(frozen=True, slots=True)
class Timing:
    """Hold the first step, the length of the linear rise and the schedule of a head.

    Steps are those of the head: calls of `Adversary.update` or `Adversary.step`.

    Args:
        start: First step of the critic and of its loss for the model: a number for both, or a
            mapping with the keys ``"critic"`` and ``"learner"``.
        warmup: Steps of the linear rise after the start, of the critic's learning rate and of the
            weight of the loss for the model: a number for both, or a mapping.
        schedule: Course of the critic's learning rate over `steps`.
        steps: Steps in all; needed with a schedule other than ``"constant"``.

    Raises:
        ValueError: If a number is negative or a key is unknown, or `steps` is missing.

    Example:
        >>> timing = Timing.of(start={"learner": 100}, warmup={"learner": 50})
        >>> timing.weight(99), timing.weight(100), timing.weight(124), timing.weight(500)
        (0.0, 0.02, 0.5, 1.0)
        >>> timing.trains_critic(0)
        True
    """

    start: tuple[int, int] = (0, 0)
    warmup: tuple[int, int] = (0, 0)
    schedule: Schedule = "constant"
    steps: int | None = None

    @classmethod
    def of(
        cls,
        start: Steps = 0,
        warmup: Steps = 0,
        schedule: Schedule = "constant",
        steps: int | None = None,
    ) -> "Timing":
        """Check the settings of a head and return its timing."""
        check_choice("schedule", schedule, ("constant", "linear", "cosine"))
        if steps is not None and steps < 1:
            raise ValueError(f"steps: expected at least 1, got {steps}")
        if schedule != "constant" and steps is None:
            raise ValueError(
                f"steps: expected the number of critic steps in all, which schedule={schedule!r} "
                "needs, got None"
            )
        return cls(_both("start", start), _both("warmup", warmup), schedule, steps)

    def trains_critic(self, step: int) -> bool:
        """Return whether the critic is trained at this step."""
        return step >= self.start[0]

    @property
    def sets_rate(self) -> bool:
        """Whether the critic's learning rate changes from step to step."""
        return self.schedule != "constant" or self.warmup[0] > 0

    def rate(self, step: int) -> float:
        """Return the factor of the critic's learning rate at this step."""
        share = min(step / self.steps, 1.0) if self.steps else 0.0
        return factor(self.schedule, share) * _rise(step, self.start[0], self.warmup[0])

    def weight(self, step: int) -> float:
        """Return the factor of the loss for the model at this step."""
        return _rise(step, self.start[1], self.warmup[1])

    def factors(self, step: int) -> tuple[float, ...]:
        """Return all that this timing decides at a step, as numbers."""
        return float(self.trains_critic(step)), self.rate(step), self.weight(step)


def _rise(step: int, start: int, warmup: int) -> float:
    if step < start:
        return 0.0
    return min((step - start + 1) / warmup, 1.0) if warmup else 1.0


def _both(name: str, value: Steps) -> tuple[int, int]:
    if not isinstance(value, Mapping):
        value = dict.fromkeys(SIDES, value)
    for key in value:
        check_choice(f"{name} key", key, SIDES)
    critic, learner = (check_count(name, value.get(side, 0), low=0) for side in SIDES)
    return critic, learner
