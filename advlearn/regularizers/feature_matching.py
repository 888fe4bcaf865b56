"""Feature matching: the player is asked for samples whose mean features are those of the data."""

from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, Samples, carries_gradient, count
from advlearn.core.described import Reference
from advlearn.core.features import features, last_linear, watch
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Improved Techniques for Training GANs",
    "Salimans et al. 2016",
    "section 3.1",
    "https://arxiv.org/abs/1606.03498",
)


@final
class FeatureMatching(Regularizer):
    r"""Match the mean of the critic's features f, the inputs of its last linear layer, between the sides.

    .. math:: P' = w\,\|E_r[f(x)] - E_f[f(x)]\|_2^2

    The critic is not trained by this term. The real side moves only where a player stands behind it
    (adaptation).

    Args:
        weight: w.

    Raises:
        ValueError: If `weight` is negative or not finite; in `wrap`, if the critic has no linear
            layer.

    Example:
        >>> FeatureMatching()
        FeatureMatching(weight=1.0)

    Reference:
        Salimans et al. 2016, section 3.1.

    Deviations:
        Added to the player's loss; the paper replaces that loss. For this alone, give the adversary
        the weight that lets the term prevail.
    """

    decomposable = False
    reasons = {"decomposable": "the square of a mean is no mean over parts of a batch"}  # noqa: RUF012

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)

    def wrap(self, critic: nn.Module) -> nn.Module:
        watch(last_linear(critic)[1])
        return critic

    def player_penalty(self, batch: CriticBatch) -> Tensor:
        with torch.set_grad_enabled(torch.is_grad_enabled() and carries_gradient(batch.real)):
            real = _mean_features(batch, batch.real, batch.real_weights)
        fake = _mean_features(batch, batch.fake, batch.fake_weights)
        return self.weight * (real - fake).square().sum()


def _mean_features(batch: CriticBatch, samples: Samples, weights: Tensor | None) -> Tensor:
    """Weighted mean of the features over the samples of all processes: (d,)."""
    rows = distributed.gather(features(batch.critic, samples))
    if weights is None:
        return rows.mean(0)
    # An objective that is not decomposable has had the contest's weights gathered already.
    weights = distributed.gather(weights) if len(weights) == count(samples) else weights
    return (weights[:, None] * rows).sum(0) / weights.sum()
