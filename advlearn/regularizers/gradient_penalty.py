"""Penalties on the critic's gradient between real and fake samples: WGAN-GP and WGAN-LP."""

from typing import ClassVar, Literal, final

from torch import Tensor, nn

from advlearn.core.checks import check_choice, check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.interval import Interval
from advlearn.core.regularizer import Regularizer
from advlearn.functional.differences import ESTIMATES, Estimate, squared_norm_gaps
from advlearn.functional.gradients import gradient_norms, points_between

REFERENCE = Reference(
    "Improved Training of Wasserstein GANs",
    "Gulrajani et al. 2017",
    "eq. 3",
    "https://arxiv.org/abs/1704.00028",
)


@final
class GradientPenalty(Regularizer):
    r"""Penalise gradient norms that differ from a target, between real and fake samples.

    .. math:: R = w\,E[(\|\nabla_x D(x)\|_2 - t)^2], \qquad
              x = u\,x_r + (1 - u)\,x_f,\ u \sim U[0, 1]

    One coefficient u for each pair, shared by the parts of a tuple; integer parts (labels) come
    from the real side. Where the sides differ in size, the first min(N, M) samples of each are
    paired. With ``every=16`` it is computed at the first critic step and every 16 steps, with 16
    times its weight; a captured or compiled step then has two forms.

    With ``estimate="difference"`` the gradient is not differentiated again. The slope v of the
    score along a random direction n, over a step of 0.01 in units of the samples, gives the
    penalty, exactly in expectation for a linear critic:

    .. math:: (\|g\|_2 - t)^2 = E_n\left[v^2 - \frac{2 t}{c_d} |v| + t^2\right] + O(\epsilon^2),
              \qquad v = \frac{D(x + \epsilon n) - D(x)}{\epsilon}, \quad \epsilon = 0.01, \quad
              n \sim U(\|n\|_2 = \sqrt d)

    The factor c is the mean of the absolute slope for a gradient of length one. It needs a
    critic with fp32 weights, without dropout, batch normalisation or noise.

    Args:
        weight: w.
        target: t, 1 for a 1-Lipschitz critic.
        every: Critic steps from one penalty to the next.
        estimate: ``"exact"``, by double backward, or ``"difference"``.
        share: The share of the pairs that is penalised, the first ones.

    Raises:
        ValueError: If a number is negative or not finite, `every` is below 1, `share` is not in
            (0, 1] or `estimate` is unknown; in `penalty`, if the critic is unfit for differences.

    Example:
        >>> GradientPenalty(weight=5, every=4)
        GradientPenalty(weight=5, target=1.0, every=4, estimate='exact', share=1.0)

    Reference:
        Gulrajani et al. 2017, eq. 3.

    Deviations:
        None.
    """

    EXEMPT: ClassVar[dict[str, str]] = {"weights": "points between two samples have no weight"}

    def __init__(
        self,
        weight: float = 10.0,
        target: float = 1.0,
        every: int = 1,
        estimate: Estimate = "exact",
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.target = check_number("target", target, low=0)
        self.interval = Interval(every)
        self.every = every
        self.estimate: Estimate = check_choice("estimate", estimate, ESTIMATES)
        self.share = check_number("share", share, low=0, high=1, open_low=True)

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        if not self.interval.due:
            return None
        points = points_between(batch, self.conditions, self.share)
        gaps = squared_norm_gaps(
            batch.critic,
            points,
            self.target,
            estimate=self.estimate,
            conditions=self.conditions,
        )
        return self.weight * self.every * gaps.mean()

    def after_step(self, critic: nn.Module) -> None:
        self.interval.advance()


@final
class OneSidedGradientPenalty(Regularizer):
    r"""Penalise gradient norms above a target, between real and fake samples.

    .. math:: R = w\,E[\max(0, \|\nabla_x D(x)\|_2 - t)^2]

    It has no estimate from differences: the penalty has a kink at t, and the mean of any function
    of random slopes is smooth in the gradient's norm.

    Args:
        weight: w.
        target: t.
        every: Critic steps from one penalty to the next, as for `GradientPenalty`.
        estimate: ``"exact"``.
        share: The share of the pairs that is penalised, the first ones.

    Raises:
        ValueError: If a number is negative or not finite, `every` is below 1, `share` is not in
            (0, 1] or `estimate` is another.

    Example:
        >>> OneSidedGradientPenalty()
        OneSidedGradientPenalty(weight=10.0, target=1.0, every=1, estimate='exact', share=1.0)

    Reference:
        Petzka et al. 2018, On the regularization of Wasserstein GANs, the penalty of WGAN-LP;
        points as Gulrajani et al. 2017.

    Deviations:
        None.
    """

    REFERENCE = Reference(
        "On the regularization of Wasserstein GANs",
        "Petzka et al. 2018",
        "the penalty of WGAN-LP",
        "https://arxiv.org/abs/1709.08894",
    )

    EXEMPT: ClassVar[dict[str, str]] = {"weights": "points between two samples have no weight"}

    def __init__(
        self,
        weight: float = 10.0,
        target: float = 1.0,
        every: int = 1,
        estimate: Literal["exact"] = "exact",
        share: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.target = check_number("target", target, low=0)
        self.interval = Interval(every)
        self.every = every
        if estimate != "exact":
            raise ValueError(
                f"estimate: expected 'exact', got {estimate!r}, since no mean of slopes has the "
                "kink of a one-sided penalty; use gradient_penalty"
            )
        self.estimate: Literal["exact"] = estimate
        self.share = check_number("share", share, low=0, high=1, open_low=True)

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        if not self.interval.due:
            return None
        points = points_between(batch, self.conditions, self.share)
        norms = gradient_norms(batch.critic, points, self.conditions)
        excess = (norms - self.target).clamp(min=0)
        return self.weight * self.every * excess.square().mean()

    def after_step(self, critic: nn.Module) -> None:
        self.interval.advance()
