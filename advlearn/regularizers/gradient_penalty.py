"""Penalties on the critic's gradient between real and fake samples: WGAN-GP and WGAN-LP."""

from typing import ClassVar, final

from torch import Tensor

from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.functional.gradients import gradient_norms_between

REFERENCE = Reference(
    "Improved Training of Wasserstein GANs",
    "Gulrajani et al. 2017",
    "eq. 3",
    "https://arxiv.org/abs/1704.00028",
)


@final
class GradientPenalty(Regularizer):
    r"""Penalise gradient norms that differ from a target, between real and fake samples.

    .. math:: R = w\,E[(\|\nabla_x D(x)\|_2 - t)^2], \qquad x = u\,x_r + (1 - u)\,x_f,\ u \sim U[0, 1]

    One coefficient u for each pair, shared by the parts of a tuple; integer parts (labels) come
    from the real side. Where the sides differ in size, the first min(N, M) samples of each are
    paired.

    Args:
        weight: w.
        target: t, 1 for a 1-Lipschitz critic.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:
        >>> GradientPenalty(weight=5)
        GradientPenalty(weight=5, target=1.0)

    Reference:
        Gulrajani et al. 2017, eq. 3.

    Deviations:
        None.
    """

    EXEMPT: ClassVar[dict[str, str]] = {"weights": "points between two samples have no weight"}

    def __init__(self, weight: float = 10.0, target: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.target = check_number("target", target, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor:
        norms = gradient_norms_between(batch)
        return self.weight * (norms - self.target).square().mean()


@final
class OneSidedGradientPenalty(Regularizer):
    r"""Penalise gradient norms above a target, between real and fake samples.

    .. math:: R = w\,E[\max(0, \|\nabla_x D(x)\|_2 - t)^2]

    Args:
        weight: w.
        target: t.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:
        >>> OneSidedGradientPenalty()
        OneSidedGradientPenalty(weight=10.0, target=1.0)

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

    def __init__(self, weight: float = 10.0, target: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)
        self.target = check_number("target", target, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor:
        norms = gradient_norms_between(batch)
        return self.weight * (norms - self.target).clamp(min=0).square().mean()
