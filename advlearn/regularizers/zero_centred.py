"""Zero-centred gradient penalties: R1 on real samples, R2 on fake ones."""

from typing import final

from torch import Tensor

from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.functional.gradients import input_gradient, squared_norm

REFERENCE = Reference(
    "Which Training Methods for GANs do actually Converge?",
    "Mescheder et al. 2018",
    "eq. 9",
    "https://arxiv.org/abs/1801.04406",
)


@final
class R1(Regularizer):
    r"""Penalise the squared gradient norm of the critic at real samples.

    .. math:: R = \frac{w}{2}\,E_r[\|\nabla_x D(x)\|_2^2]

    It is computed at every critic step. Applying it every few steps with a larger weight, as
    StyleGAN2 does, saves time on large networks and fails on small problems with few modes (Huang
    et al. 2024, R3GAN).

    Args:
        weight: w.

    Raises:
        ValueError: If `weight` is negative or not finite.

    Example:
        >>> R1(weight=10)
        R1(weight=10)

    Reference:
        Mescheder et al. 2018, eq. 9.

    Deviations:
        None.
    """

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor:
        squares = squared_norm(input_gradient(batch.critic, batch.real))
        return self.weight / 2 * batch.mean_real(squares)


@final
class R2(Regularizer):
    r"""Penalise the squared gradient norm of the critic at fake samples.

    .. math:: R = \frac{w}{2}\,E_f[\|\nabla_x D(x)\|_2^2]

    It is computed at every critic step, as `R1`, and gives the generator no gradient.

    Args:
        weight: w.

    Raises:
        ValueError: If `weight` is negative or not finite.

    Example:
        >>> R2()
        R2(weight=1.0)

    Reference:
        Mescheder et al. 2018, eq. 10.

    Deviations:
        None.
    """

    REFERENCE = Reference(REFERENCE.title, REFERENCE.authors, "eq. 10", REFERENCE.url)

    def __init__(self, weight: float = 1.0) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)

    def penalty(self, batch: CriticBatch) -> Tensor:
        squares = squared_norm(input_gradient(batch.critic, batch.fake))
        return self.weight / 2 * batch.mean_fake(squares)
