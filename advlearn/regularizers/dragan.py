"""DRAGAN's gradient penalty around the real samples."""

from typing import ClassVar, final

from torch import Tensor

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, as_tuple
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.functional.distances import safe_sqrt
from advlearn.functional.gradients import input_gradient, squared_norm

REFERENCE = Reference(
    "On Convergence and Stability of GANs",
    "Kodali et al. 2017",
    "algorithm 1",
    "https://arxiv.org/abs/1705.07215",
)


@final
class DraganPenalty(Regularizer):
    r"""Penalise gradient norms of the critic that differ from one near real samples.

    .. math:: R = w\,E_r[(\|\nabla D(\tilde x)\|_2 - 1)^2], \quad
              \tilde x = x + c\,std(x)\,u,\ u \sim U[0, 1]^d

    Each floating-point part of a tuple is perturbed by its own standard deviation, over the joined
    batch and all dimensions; integer parts (labels) are unchanged.

    Args:
        weight: w.
        scale: c, in standard deviations of the real samples.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:
        >>> DraganPenalty(weight=5)
        DraganPenalty(weight=5, scale=0.5)

    Reference:
        Kodali et al. 2017, algorithm 1.

    Deviations:
        The noise is uniform, as in the authors' code; their text has a Gaussian. Their code also
        moves each point back to x by a random amount, which is left out: the distribution of the
        points differs, their neighbourhood does not.
    """

    decomposable = False
    reasons: ClassVar[dict[str, str]] = {
        "decomposable": "the spread of the real samples is that of the whole batch"
    }

    def __init__(self, weight: float = 10.0, scale: float = 0.5) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.scale = check_number("scale", scale, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor:
        points = tuple(self._near(part.detach()) for part in as_tuple(batch.real))
        norms = safe_sqrt(squared_norm(input_gradient(batch.critic, points)))
        return self.weight * batch.mean_real((norms - 1).square())

    def _near(self, real: Tensor) -> Tensor:
        if not real.is_floating_point():
            return real
        mean = distributed.mean(real.mean())
        spread = distributed.mean((real - mean).square().mean()).sqrt()
        return real + self.scale * spread * distributed.rand(*real.shape, like=real)
