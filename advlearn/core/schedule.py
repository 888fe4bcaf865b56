"""How a learning rate goes from the start of a run to its end."""

import math

from advlearn.core.chain import Schedule
from advlearn.core.checks import choice


def factor(schedule: Schedule, share: float) -> float:
    """What the learning rate is multiplied by after a `share` in [0, 1] of the steps.

    Args:
        schedule: ``"constant"``, ``"linear"`` (to zero) or ``"cosine"`` (to zero).
        share: Steps done over steps in all.

    Returns:
        A factor in [0, 1].

    Raises:
        ValueError: If `schedule` is unknown.

    Example:
        >>> factor("linear", 0.25)
        0.75
    """
    choice("schedule", schedule, ("constant", "linear", "cosine"))
    if schedule == "linear":
        return 1 - share
    if schedule == "cosine":
        return (1 + math.cos(math.pi * share)) / 2
    return 1.0
