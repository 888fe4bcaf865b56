"""Shapes of the reward: functions from the critic's scores of transitions to rewards.

Here s is the critic's logit of "expert" and D = sigmoid(s). For other objectives (least squares,
Wasserstein) the score s has another meaning. The sign matters if episodes differ in length: a
reward that is never negative favours long episodes, and one that is never positive favours short
ones, whatever the expert did.
"""

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import softplus

RewardShape = Literal["own", "positive", "log", "logit", "fairl", "clipped"]


def positive(s: Tensor) -> Tensor:
    """``-log(1 - D)``, never negative: the default of the code of Ho and Ermon 2016."""
    return softplus(s)


def log(s: Tensor) -> Tensor:
    """``log D``, never positive: for tasks that the expert ends early."""
    return -softplus(-s)


def logit(s: Tensor) -> Tensor:
    """``log D - log(1 - D) = s``, of either sign: Fu et al. 2018, eq. 4."""
    return s


def fairl(s: Tensor) -> Tensor:
    """``-s exp(s)``, of either sign: the forward KL divergence, Ghasemipour et al. 2019, eq. 8.

    The exponent is clipped at 10.
    """
    return -s * s.clamp(max=10).exp()


def clipped(s: Tensor) -> Tensor:
    """``max(0, 1 - (s - 1)^2 / 4)``, never negative: Peng et al. 2021 (AMP), eq. 7.

    It is for least squares with labels -1 and 1.
    """
    return torch.relu(1 - (s - 1).square() / 4)


REWARD_SHAPES: dict[str, Callable[[Tensor], Tensor]] = {
    "positive": positive,
    "log": log,
    "logit": logit,
    "fairl": fairl,
    "clipped": clipped,
}


def sign(reward_shape: str) -> int:
    """Return 1 for a shape that is never negative, -1 for one that is never positive, else 0.

    Example:
        >>> sign("positive"), sign("log"), sign("logit")
        (1, -1, 0)
    """
    return {"positive": 1, "clipped": 1, "log": -1}.get(reward_shape, 0)
