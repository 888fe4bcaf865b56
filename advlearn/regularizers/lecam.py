"""LeCam regularisation: scores stay near the moving average of the other side's scores."""

from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Regularizing Generative Adversarial Networks under Limited Data",
    "Tseng et al. 2021",
    "section 3.2, the regularizer R_LC",
    "https://arxiv.org/abs/2104.03310",
)


@final
class LeCam(Regularizer):
    r"""Penalise the distance of scores from the moving average of the other side's scores.

    .. math:: R = w\,\left(E_r[(D(x) - \alpha_f)^2] + E_f[(D(x) - \alpha_r)^2]\right)

    The anchors are averages of the mean scores of past critic steps, kept in buffers:

    .. math:: \alpha^{(t)} = \gamma\,\alpha^{(t-1)} + (1 - \gamma)\,E[D(x)]

    divided by 1 - gamma^t, which makes them averages from the first step on. Before it the penalty
    is zero. One object serves one critic.

    Args:
        weight: w. The paper has 0.3 for CIFAR and less for larger images.
        decay: gamma.

    Raises:
        ValueError: If `weight` is negative, or `decay` is not in [0, 1).

    Example:
        >>> LeCam(weight=0.1)
        LeCam(weight=0.1, decay=0.99)

    Reference:
        Tseng et al. 2021, section 3.2, the regularizer R_LC.

    Deviations:
        The anchors are those before the step. The published code clips the differences at zero,
        D(x) - alpha_f from below and D(x) - alpha_r from above; the paper does not.
    """

    real_sum: Tensor
    fake_sum: Tensor
    mass: Tensor
    means: Tensor

    def __init__(self, weight: float = 0.3, decay: float = 0.99) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.decay = check_number("decay", decay, low=0, high=1)
        if decay == 1:
            raise ValueError("decay: expected a number below 1, got 1; the anchors would not move")
        for name in ("real_sum", "fake_sum", "mass"):
            self.register_buffer(name, torch.zeros(()))
        self.register_buffer("means", torch.zeros(2), persistent=False)

    def anchors(self) -> tuple[Tensor, Tensor]:
        """Return the average real and fake score of the past steps, scalars; zero before them."""
        mass = torch.where(self.mass > 0, self.mass, 1.0)
        return self.real_sum / mass, self.fake_sum / mass

    def penalty(self, batch: CriticBatch) -> Tensor:
        real, fake = batch.scores
        means = torch.stack([batch.mean_real(real), batch.mean_fake(fake)])
        self.means.copy_(distributed.mean(means))
        real_anchor, fake_anchor = self.anchors()
        distance = batch.mean_real((real - fake_anchor).square()) + batch.mean_fake(
            (fake - real_anchor).square()
        )
        return torch.where(self.mass > 0, self.weight * distance, 0.0)

    def after_step(self, critic: nn.Module) -> None:
        self.real_sum.lerp_(self.means[0], 1 - self.decay)
        self.fake_sum.lerp_(self.means[1], 1 - self.decay)
        self.mass.lerp_(torch.ones_like(self.mass), 1 - self.decay)
