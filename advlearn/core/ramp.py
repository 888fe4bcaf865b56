"""How the weight of an adversary grows along a run."""

import math


def ramp(progress: float) -> float:
    r"""Weight of an adversary after a share of the steps: from 0, nearly 1 after half of them.

    .. math:: \frac{2}{1 + e^{-10 p}} - 1

    What a critic says of features that mean nothing yet is noise; by the time it counts, both have learnt.

    Args:
        progress: Share p of the steps made, from 0 to 1.

    Returns:
        A number in [0, 1): what `Adversary.joint_loss` takes as its strength, or a factor of `Adversary.loss`.

    Example:
        >>> [round(ramp(p), 3) for p in (0.0, 0.1, 0.5, 1.0)]
        [0.0, 0.462, 0.987, 1.0]

    Reference:
        Ganin et al., "Domain-Adversarial Training of Neural Networks", 2016, section 5.2.2.
    """
    return 2 / (1 + math.exp(-10 * progress)) - 1
