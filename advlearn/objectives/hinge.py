"""The hinge loss, which estimates the total variation distance at the optimal critic."""

from typing import final

from torch import Tensor
from torch.nn.functional import relu

from advlearn.core.chain import Chain, Defaults
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise
from advlearn.objectives._references import cites
from advlearn.regularizers.spectral_norm import SpectralNorm

REFERENCE = Reference(
    "Spectral Normalization for Generative Adversarial Networks",
    "Miyato et al. 2018",
    "eq. 16 and 17",
    "https://arxiv.org/abs/1802.05957",
)


@final
class Hinge(Pointwise):
    r"""Compute the hinge loss of a critic's scores; scores beyond a margin of one cost nothing.

    .. math:: C = E_r[\max(0, 1 - s)] + E_f[\max(0, 1 + s)], \qquad P = -E_f[s], \qquad
        2 - C^* = 2\,TV(p, q)

    Example:
        >>> import torch
        >>> Hinge().real_loss(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([2., 1., 0.])

    Reference:
        Miyato et al. 2018, eq. 16 and 17; first used for adversarial learning by Lim and Ye 2017
        (geometric GAN) and Tran et al. 2017.

    Deviations:
        None.
    """

    symmetric = True

    @property
    def loss_at_chance(self) -> float:
        return 2.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return relu(1 - scores)

    def fake_loss(self, scores: Tensor) -> Tensor:
        return relu(1 + scores)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio.sign()

    def divergence(self, ratio: Tensor) -> Tensor:
        return (ratio - 1).abs()


def sngan() -> Chain:
    """Build the hinge loss with spectral normalisation and Adam as in Miyato et al. 2018."""
    return Chain(Hinge(), (SpectralNorm(),), Defaults(critic_steps=5, lr=2e-4, betas=(0.0, 0.9)))


@cites(
    Reference("Geometric GAN", "Lim and Ye 2017", "section 4", "https://arxiv.org/abs/1705.02894"),
)
def geometric_gan() -> Chain:
    """Build Geometric GAN: the hinge loss without a regularizer."""
    return Chain(Hinge())


ALIASES = {"sngan": sngan, "geometric-gan": geometric_gan}
