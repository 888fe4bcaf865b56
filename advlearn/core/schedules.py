"""Schedules over a run: learning rates, and the weight of a domain adversary."""

import math

from advlearn.core.arguments import checked
from advlearn.core.chain import Schedule
from advlearn.core.checks import check_choice


def factor(schedule: Schedule, share: float) -> float:
    """Compute the factor of the learning rate after a fraction `share` of the steps.

    Args:
        schedule: ``"constant"``, ``"linear"`` (to zero) or ``"cosine"`` (to zero).
        share: Number of steps made divided by the number of all steps.

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


@checked
def dann_schedule(progress: float) -> float:
    r"""Compute DANN's weight of the domain adversary after a fraction of the steps.

    .. math:: \frac{2}{1 + e^{-10 p}} - 1

    It rises from 0 and is near 1 after half of the steps, since early features carry no
    information for the critic.

    Args:
        progress: Fraction p of the steps made, from 0 to 1.

    Returns:
        A number in [0, 1): `adversarial_weight` of `Adversary.reversed_loss`, or a factor of
        `Adversary.player_loss`.

    Example:
        >>> [round(dann_schedule(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
        [0.0, 0.462, 0.987, 1.0]

    Reference:
        Ganin et al., "Domain-Adversarial Training of Neural Networks", 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1
