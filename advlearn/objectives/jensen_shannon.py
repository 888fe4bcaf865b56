"""The original GAN losses, which estimate the Jensen-Shannon divergence at the optimal critic."""

import math
from typing import Literal, final

import torch
from torch import Tensor
from torch.nn.functional import softplus

from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_choice
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise
from advlearn.objectives._references import cites
from advlearn.regularizers.bottleneck import Bottleneck
from advlearn.regularizers.dragan import DraganPenalty

REFERENCE = Reference(
    "Generative Adversarial Nets",
    "Goodfellow et al. 2014",
    "eq. 1 and section 3",
    "https://arxiv.org/abs/1406.2661",
)


@final
class JensenShannon(Pointwise):
    r"""Compute the cross-entropy of real against fake; the critic's score is a logit.

    .. math:: C = E_r[softplus(-s)] + E_f[softplus(s)], \qquad \log 4 - C^* = 2\,JSD(p \| q)

    The generator minimises ``-C`` (minimax) or ``E_f[softplus(-s)]`` (non-saturating). The minimax
    form is kept for its theory: its gradient sigmoid(s) is near zero where the critic is confident,
    so the generator learns least when its samples are worst. Use the non-saturating default.

    Args:
        generator: ``"nonsaturating"`` or ``"minimax"``.

    Raises:
        ValueError: If `generator` is neither.

    Example:
        >>> import torch
        >>> JensenShannon().real_loss(torch.zeros(1))
        tensor([0.6931])

    Reference:
        Goodfellow et al. 2014, eq. 1; the non-saturating form is in section 3.

    Deviations:
        None.
    """

    symmetric = True

    def __init__(self, generator: Literal["nonsaturating", "minimax"] = "nonsaturating") -> None:
        super().__init__()
        self.generator = check_choice("generator", generator, ("nonsaturating", "minimax"))

    @property
    def loss_at_chance(self) -> float:
        return math.log(4)

    def real_loss(self, scores: Tensor) -> Tensor:
        return softplus(-scores)

    def fake_loss(self, scores: Tensor) -> Tensor:
        return softplus(scores)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return softplus(-scores) if self.generator == "nonsaturating" else -softplus(scores)

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio

    def divergence(self, ratio: Tensor) -> Tensor:
        return torch.xlogy(ratio, ratio) - (ratio + 1) * ((ratio + 1) / 2).log()


def gan() -> Chain:
    """Build the minimax game of the original paper; it saturates, so prefer ``nsgan``."""
    return Chain(JensenShannon("minimax"))


def nsgan() -> Chain:
    """Build the non-saturating GAN with DCGAN's Adam settings (Radford et al. 2016)."""
    return Chain(JensenShannon(), defaults=Defaults(lr=2e-4, betas=(0.5, 0.999)))


@cites(
    Reference(
        "On Convergence and Stability of GANs",
        "Kodali et al. 2017",
        "algorithm 1",
        "https://arxiv.org/abs/1705.07215",
    )
)
def dragan(weight: float = 10.0, scale: float = 0.5) -> Chain:
    """Build DRAGAN: the non-saturating GAN with a gradient penalty around real samples."""
    return Chain(
        JensenShannon(), (DraganPenalty(weight, scale),), Defaults(lr=2e-4, betas=(0.5, 0.999))
    )


@cites(
    Reference(
        "Variational Discriminator Bottleneck: Improving Imitation Learning, Inverse RL, and GANs "
        "by Constraining Information Flow",
        "Peng et al. 2019",
        "eq. 9 and 10",
        "https://arxiv.org/abs/1810.00821",
    )
)
def vdb(i_c: float = 0.1) -> Chain:
    """Build VGAN: the non-saturating GAN with an information bottleneck of `i_c` nats."""
    return Chain(JensenShannon(), (Bottleneck(i_c),), Defaults(lr=1e-4, betas=(0.5, 0.999)))


ALIASES = {"gan": gan, "nsgan": nsgan, "dragan": dragan, "vdb": vdb}
