"""Feature matching: the generator matches the mean of the critic's features."""

from typing import ClassVar, final

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
    r"""Match the mean features f, the inputs of the critic's last linear layer.

    .. math:: P' = w\,\|E_r[f(x)] - E_f[f(x)]\|_2^2

    This term does not train the critic. The real side gets gradient only where the learner produces
    it (adaptation).

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
        It is added to the generator's loss; the paper replaces that loss. To get the
        paper's loss, choose a large `weight`.
    """

    decomposable = False
    reasons: ClassVar[dict[str, str]] = {
        "decomposable": "the square of a mean is not the mean over the parts of a batch"
    }

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
    """Compute the weighted mean of the features over the samples of all processes: (d,)."""
    rows = distributed.gather(features(batch.critic, samples))
    if weights is None:
        return rows.mean(0)
    # For an objective that is not decomposable, the weights are gathered already.
    weights = distributed.gather(weights) if len(weights) == count(samples) else weights
    return (weights[:, None] * rows).sum(0) / weights.sum()
