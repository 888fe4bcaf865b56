"""The pulling-away term: fake samples get representations in different directions."""

from collections.abc import Callable
from typing import ClassVar, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import Critic, CriticBatch, Samples, as_tuple
from advlearn.core.described import Reference
from advlearn.core.features import features, full_precision, watch_layers
from advlearn.core.regularizer import Regularizer
from advlearn.regularizers.instance_noise import unwrapped

REFERENCE = Reference(
    "Energy-based Generative Adversarial Network",
    "Zhao et al. 2017",
    "section 2.4",
    "https://arxiv.org/abs/1609.03126",
)


@final
class PullingAway(Regularizer):
    r"""Penalise the mean squared cosine between representations S of fake samples.

    .. math:: P' = \frac{w}{N(N-1)} \sum_i \sum_{j \ne i}
              \left(\frac{S_i^T S_j}{\|S_i\| \|S_j\|}\right)^2

    S is what the critic's method ``encode(x)`` returns where it has one (an autoencoder's code),
    else the inputs of the linear or convolution layer that gives the score. ``encode`` takes the
    first part of a tuple. A representation of zeros counts as perpendicular to all others. The mean
    is over the fakes of all processes.

    Args:
        weight: w.

    Raises:
        ValueError: If `weight` is negative or not finite; in `wrap`, if the critic has neither.

    Example:
        >>> PullingAway()
        PullingAway(weight=0.1)

    Reference:
        Zhao et al. 2017, section 2.4.

    Deviations:
        None.
    """

    decomposable = False
    reasons: ClassVar[dict[str, str]] = {
        "decomposable": "a mean over pairs is not the mean over the parts of a batch"
    }
    EXEMPT: ClassVar[dict[str, str]] = {"weights": "every pair of fake samples counts equally"}

    def __init__(self, weight: float = 0.1) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)

    def wrap(self, critic: nn.Module) -> nn.Module:
        if _encoder(critic) is None:
            watch_layers(critic)
        return critic

    def player_penalty(self, batch: CriticBatch) -> Tensor:
        codes = distributed.gather(representation(batch.critic, batch.fake))
        return self.weight * mean_squared_cosine(codes)


def representation(critic: Critic, samples: Samples) -> Tensor:
    """Compute the critic's representation of `samples`: (N, d), at least fp32."""
    encode = _encoder(critic)
    if encode is None:
        return features(critic, samples)
    return full_precision(encode(as_tuple(samples)[0]).flatten(1))


def _encoder(critic: Critic) -> Callable[[Tensor], Tensor] | None:
    return getattr(unwrapped(cast(nn.Module, critic)), "encode", None)


def mean_squared_cosine(codes: Tensor) -> Tensor:
    """Average the squared cosine over pairs of different rows of `codes` (N, d): a scalar."""
    n = codes.shape[0]
    with torch.autocast(codes.device.type, enabled=False):
        squares = codes.square().sum(1, keepdim=True)
        positive = squares > 0
        unit = codes * torch.where(positive, torch.where(positive, squares, 1.0).rsqrt(), 0.0)
        cosines = unit @ unit.T
        return (cosines - cosines.diag().diag()).square().sum() / max(n * (n - 1), 1)
