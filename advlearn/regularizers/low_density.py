"""The complement generator: fake samples avoid regions of high data density."""

from math import log
from typing import ClassVar, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, Samples, as_tuple, weighted_mean
from advlearn.core.described import Reference
from advlearn.core.features import full_precision
from advlearn.core.regularizer import Regularizer
from advlearn.functional.distances import squared_distances

REFERENCE = Reference(
    "Good Semi-supervised Learning that Requires a Bad GAN",
    "Dai et al. 2017",
    "section 5.2",
    "https://arxiv.org/abs/1705.09783",
)


@final
class LowDensity(Regularizer):
    r"""Penalise fake samples in regions of high data density.

    .. math:: P' = w\,E_f[\max(0,\ \log p(x) - \log \epsilon)], \qquad
        p(x) = \frac{1}{N} \sum_j e^{-\|x - r_j\|^2 / 2 h^2}

    p is a kernel estimate, up to a constant, on the real samples r of the batch; h is `bandwidth`
    times the median distance of a real sample to the nearest other one, and epsilon the `quantile`
    of p at the real samples, each without its own kernel. Samples are compared
    without an embedding: the first part of a tuple, flattened. With one real sample there is no
    density, and the penalty is zero.

    Args:
        weight: w.
        quantile: Share of the real samples that lie where p is below epsilon, in [0, 1].
        bandwidth: h in nearest distances.

    Raises:
        ValueError: A weight that is negative, a quantile out of range, a bandwidth that is not
        positive.

    Example:
        >>> LowDensity()
        LowDensity(weight=0.1, quantile=0.1, bandwidth=1.0)

    Reference:
        Dai et al. 2017, section 5.2.

    Deviations:
        p is a kernel estimate on the batch, where the paper's is a PixelCNN++ that was trained
        beforehand. As in the paper's code, but not in its text, the penalty is continuous at
        epsilon.
    """

    decomposable = False
    reasons: ClassVar[dict[str, str]] = {"decomposable": "the density is that of the whole batch"}

    def __init__(self, weight: float = 0.1, quantile: float = 0.1, bandwidth: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.quantile = check_number("quantile", quantile, low=0, high=1)
        self.bandwidth = check_number("bandwidth", bandwidth, low=0, open_low=True)

    def player_penalty(self, batch: CriticBatch) -> Tensor | None:
        real = distributed.gather(_rows(batch.real).detach())
        n = len(real)
        if n < 2:
            return None
        between = squared_distances(real, real)
        own = torch.eye(n, dtype=torch.bool, device=real.device)
        nearest = between.masked_fill(own, torch.inf).amin(1).median()
        scale = 2 * self.bandwidth**2 * nearest.clamp(min=torch.finfo(real.dtype).tiny ** 0.5)
        # Without its own kernel, which would give every sample a high density.
        others = (-between / scale).masked_fill(own, -torch.inf).logsumexp(1) - log(n - 1)
        density = (-squared_distances(_rows(batch.fake), real) / scale).logsumexp(1) - log(n)
        excess = (density - others.quantile(self.quantile)).relu()
        return self.weight * weighted_mean(excess, batch.fake_weights)


def _rows(samples: Samples) -> Tensor:
    return full_precision(as_tuple(samples)[0].flatten(1))
