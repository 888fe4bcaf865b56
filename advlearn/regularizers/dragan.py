"""DRAGAN's gradient penalty around the real samples."""

from typing import ClassVar, final

from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch, weighted_mean
from advlearn.core.described import Reference
from advlearn.core.interval import Interval
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import detach, map_moving
from advlearn.functional.differences import ESTIMATES, Estimate, squared_norm_gaps
from advlearn.functional.gradients import first, share_of

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
    batch and all dimensions; integer parts (labels) and conditions are unchanged. `every`,
    `estimate` and `share` are those of `GradientPenalty`: one step in `every` with `every` times
    the weight, an estimate of the gradient's norm from differences of scores, and a share of the
    batch.

    Args:
        weight: w.
        scale: c, in standard deviations of the real samples.
        every: Critic steps from one penalty to the next.
        estimate: ``"exact"``, by double backward, or ``"difference"``.
        share: The share of the real samples that is penalised, the first ones.

    Raises:
        ValueError: If a number is negative or not finite, `every` is below 1, `share` is not in
            (0, 1] or `estimate` is unknown; in `penalty`, if the critic is unfit for differences.

    Example:
        >>> DraganPenalty(weight=5)
        DraganPenalty(weight=5, scale=0.5, every=1, estimate='exact', share=1.0)

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

    def __init__(
        self,
        weight: float = 10.0,
        scale: float = 0.5,
        every: int = 1,
        estimate: Estimate = "exact",
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.scale = check_number("scale", scale, low=0)
        self.interval = Interval(every)
        self.every = every
        self.estimate: Estimate = check_choice("estimate", estimate, ESTIMATES)
        self.share = check_number("share", share, low=0, high=1, open_low=True)

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        if not self.interval.due:
            return None
        n = share_of(batch.real, self.share)
        real = detach(batch.real)
        near = map_moving(lambda x: self._near(x, n), real, conditions=self.conditions)
        points = first(near, n)
        gaps = squared_norm_gaps(
            batch.critic, points, 1.0, estimate=self.estimate, conditions=self.conditions
        )
        weights = None if batch.real_weights is None else batch.real_weights[:n]
        return self.weight * self.every * weighted_mean(gaps, weights)

    def after_step(self, critic: nn.Module) -> None:
        self.interval.advance()

    def _near(self, real: Tensor, n: int) -> Tensor:
        """Move the first n samples, by noise in units of the spread of all."""
        mean = distributed.mean(real.mean())
        spread = distributed.mean((real - mean).square().mean()).sqrt()
        return real[:n] + self.scale * spread * distributed.rand(n, *real.shape[1:], like=real)
