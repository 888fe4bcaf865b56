"""The least-squares loss: regression of scores on one label per side."""

from typing import final

from torch import Tensor

from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise

REFERENCE = Reference(
    "Least Squares Generative Adversarial Networks",
    "Mao et al. 2017",
    "eq. 2",
    "https://arxiv.org/abs/1611.04076",
)


@final
class LeastSquares(Pointwise):
    r"""Compute the squared error of scores against one label for real and one for fake.

    .. math:: C = \tfrac12 E_r[(s - b)^2] + \tfrac12 E_f[(s - a)^2], \qquad
        P = \tfrac12 E_f[(s - c)^2]

    At the optimum ``s = (b p + a q) / (p + q)`` and

    .. math:: \frac{(b - a)^2}{4} - C^* = \frac{(b - a)^2}{8} \int \frac{(p - q)^2}{p + q}

    With ``a=-1, b=1, c=0`` the generator's loss over both sides is half of Pearson's chi-squared of
    p + q from 2q. The reward falls again where a score overshoots `c`.

    Args:
        a: Label of fake samples.
        b: Label of real samples, above `a`.
        c: The generator's target score of its samples, above `a`.

    Raises:
        ValueError: If a label is not finite, or `b` or `c` is not above `a`.

    Example:
        >>> import torch
        >>> LeastSquares().real_loss(torch.tensor([0.0, 1.0]))
        tensor([0.5000, 0.0000])

    Reference:
        Mao et al. 2017, eq. 2; the divergence is in section 3.2.

    Deviations:
        Where the learner also produces the real side, the target of real scores is ``a + b - c``,
        the mirror image of c.
    """

    def __init__(self, a: float = 0.0, b: float = 1.0, c: float = 1.0) -> None:
        super().__init__()
        self.a = check_number("a", a)
        self.b = check_number("b", b, low=a, open_low=True)
        self.c = check_number("c", c, low=a, open_low=True)

    @property
    def loss_at_chance(self) -> float:
        return (self.b - self.a) ** 2 / 4

    def real_loss(self, scores: Tensor) -> Tensor:
        return (scores - self.b).square() / 2

    def fake_loss(self, scores: Tensor) -> Tensor:
        return (scores - self.a).square() / 2

    def generator_loss(self, scores: Tensor) -> Tensor:
        return (scores - self.c).square() / 2

    def generator_real_loss(self, scores: Tensor) -> Tensor:
        return (scores - (self.a + self.b - self.c)).square() / 2

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return self.a + (self.b - self.a) * log_ratio.sigmoid()

    def divergence(self, ratio: Tensor) -> Tensor:
        return (self.b - self.a) ** 2 / 8 * (ratio - 1).square() / (ratio + 1)


def lsgan() -> Chain:
    """Build LSGAN with labels 0 and 1 and Adam's first decay rate of 0.5, as in the paper."""
    return Chain(LeastSquares(), defaults=Defaults(betas=(0.5, 0.999)))


ALIASES = {"lsgan": lsgan}
