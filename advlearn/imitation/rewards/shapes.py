"""Forms of the reward that a policy gets from the critic's score of what it did.

With s the logit of "expert" and D = sigmoid(s); a critic of another objective (least squares,
Wasserstein) gives s a meaning of its own, which each form names. The sign matters where episodes
differ in length: a reward that is never negative pays for staying alive, one that is never positive
for ending early, whatever the expert did.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

RewardShape = Literal["own", "positive", "log", "logit", "fairl", "clipped"]


def positive(s: Tensor) -> Tensor:
    """``-log(1 - D)``, never negative: Ho and Ermon 2016 as their code has it by default."""
    return softplus(s)


def log(s: Tensor) -> Tensor:
    """``log D``, never positive: for tasks that the expert ends early."""
    return -softplus(-s)


def logit(s: Tensor) -> Tensor:
    """``log D - log(1 - D) = s``, of either sign: Fu et al. 2018, eq. 4."""
    return s


def fairl(s: Tensor) -> Tensor:
    """``-s exp(s)``, the forward KL divergence: Ghasemipour et al. 2019, eq. 8; the exponent is cut at 10."""
    return -s * s.clamp(max=10).exp()


def clipped(s: Tensor) -> Tensor:
    """``max(0, 1 - (s - 1)^2 / 4)`` for least squares with labels -1 and 1: Peng et al. 2021 (AMP), eq. 7."""
    return torch.relu(1 - (s - 1).square() / 4)


REWARD_SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "positive": positive,
    "log": log,
    "logit": logit,
    "fairl": fairl,
    "clipped": clipped,
}


def sign(reward_shape: str) -> int:
    """1 where a form is never negative, -1 where it is never positive, else 0.

    Example:
        >>> sign("positive"), sign("log"), sign("logit")
        (1, -1, 0)
    """
    return {"positive": 1, "clipped": 1, "log": -1}.get(reward_shape, 0)
