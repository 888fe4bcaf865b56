"""EBGAN: the critic gives low energy to real samples and at least a margin to fake ones."""

from typing import ClassVar, final

from torch import Tensor
from torch.nn.functional import relu

from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.objective import CriticOutput, Pointwise
from advlearn.regularizers.pulling_away import PullingAway

REFERENCE = Reference(
    "Energy-based Generative Adversarial Network",
    "Zhao et al. 2017",
    "eq. 1 and 2",
    "https://arxiv.org/abs/1609.03126",
)


@final
class Energy(Pointwise):
    r"""Compute the margin loss of energies; the critic returns ``s = -e`` with ``e >= 0``.

    .. math:: C = E_r[e] + E_f[\max(0, m - e)], \qquad P = E_f[e], \qquad m - C^* = m\,TV(p, q)

    The energy must be bounded below by zero, as the reconstruction error of an
    autoencoder is: an unbounded critic would lower the energy of real samples without limit.

    Args:
        margin: m, in units of the energy.

    Raises:
        ValueError: If `margin` is not positive and finite.

    Example:
        >>> import torch
        >>> Energy(margin=2.0).fake_loss(torch.tensor([0.0, -3.0]))
        tensor([2., 0.])

    Reference:
        Zhao et al. 2017, eq. 1 and 2; the optimum is theorem 1 with lemma 1.

    Deviations:
        None.
    """

    critic_output: ClassVar[CriticOutput] = "energy"

    def __init__(self, margin: float = 1.0) -> None:
        super().__init__()
        self.margin = check_number("margin", margin, low=0, open_low=True)

    @property
    def loss_at_chance(self) -> float:
        return self.margin

    def real_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def fake_loss(self, scores: Tensor) -> Tensor:
        return relu(self.margin + scores)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return self.margin * (log_ratio.sign() - 1) / 2

    def divergence(self, ratio: Tensor) -> Tensor:
        return self.margin * (ratio - 1).abs() / 2


def ebgan(margin: float = 1.0, weight: float = 0.1) -> Chain:
    """Build EBGAN with the pulling-away term (the paper's EBGAN-PT, section 2.4)."""
    return Chain(Energy(margin), (PullingAway(weight),), Defaults(lr=2e-4, betas=(0.5, 0.999)))


ALIASES = {"ebgan": ebgan}
