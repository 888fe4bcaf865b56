"""Predictive adversary: a critic estimates the information about an attribute in samples."""

from typing import ClassVar, final

from torch import Tensor

from advlearn.core.described import Reference
from advlearn.core.objective import CriticOutput, Pointwise

REFERENCE = Reference(
    "Learning to Pivot with Adversarial Networks",
    "Louppe et al. 2017",
    "eq. 2 to 4",
    "https://arxiv.org/abs/1611.01046",
)


@final
class Predictive(Pointwise):
    r"""Compute the loss of predicting an attribute a from a representation h.

    The learner removes the information about a from h. The fake side holds the observed pairs,
    the real side pairs of independent h and a. The critic scores a pair as a log ratio of two
    densities that it has learned, both normalised over a:

    .. math:: s(h, a) = \log r(a) - \log q(a \mid h), \qquad C = E_f[s], \qquad P = -C, \qquad
        -C^* = I(h; a)

    With q a softmax over groups this is the cross-entropy adversary of domain-adversarial training
    and of fairness; with q a mixture density it pivots on a continuous attribute.

    Example:
        >>> import torch
        >>> Predictive().fake_loss(torch.tensor([0.5, -1.0]))
        tensor([ 0.5000, -1.0000])

    Reference:
        Louppe et al. 2017, eq. 2 to 4; for groups Ganin et al. 2016 and Zhang et al. 2018.

    Deviations:
        The papers' loss is ``-log q``. Subtracting the density r(a), a constant for the learner,
        makes the loss at chance zero for every attribute, so that the estimate is the mutual
        information in nats.
    """

    critic_output: ClassVar[CriticOutput] = "density"
    critic_needs_real: ClassVar[bool] = False
    moves_both_sides: ClassVar[bool] = False
    reasons: ClassVar[dict[str, str]] = {
        "moves_both_sides": "the densities are normalised: only observed pairs enter the loss",
    }

    @property
    def loss_at_chance(self) -> float:
        return 0.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return 0 * scores

    def fake_loss(self, scores: Tensor) -> Tensor:
        return scores

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return 0 * scores

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def divergence(self, ratio: Tensor) -> Tensor:
        return -ratio.log()
