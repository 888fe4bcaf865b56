"""Schedules over a run: learning rates, and the weight of a domain adversary."""

import math

from advlearn.core.chain import Schedule
from advlearn.core.checks import check_choice


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
    check_choice("schedule", schedule, ("constant", "linear", "cosine"))
    if schedule == "linear":
        return 1 - share
    if schedule == "cosine":
        return (1 + math.cos(math.pi * share)) / 2
    return 1.0


def dann_schedule(progress: float) -> float:
    r"""Weight of an adversary after a share of the steps: from 0, nearly 1 after half of them.

    .. math:: \frac{2}{1 + e^{-10 p}} - 1

    What a critic says of features that mean nothing yet is noise; by the time it counts, both have
    learnt.

    Args:
        progress: Share p of the steps made, from 0 to 1.

    Returns:
        A number in [0, 1): what `Adversary.reversed_loss` takes as its strength, or a factor of
        `Adversary.player_loss`.

    Example:
        >>> [round(dann_schedule(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
        [0.0, 0.462, 0.987, 1.0]

    Reference:
        Ganin et al., "Domain-Adversarial Training of Neural Networks", 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1
