"""The Wasserstein-1 distance by its Kantorovich-Rubinstein dual."""

from typing import final

from torch import Tensor

from advlearn.core.chain import Chain, Defaults
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise
from advlearn.objectives._references import cites
from advlearn.regularizers.gradient_penalty import REFERENCE as IMPROVED
from advlearn.regularizers.gradient_penalty import GradientPenalty
from advlearn.regularizers.weight_clipping import WeightClipping

REFERENCE = Reference(
    "Wasserstein GAN", "Arjovsky et al. 2017", "eq. 2 and 3", "https://arxiv.org/abs/1701.07875"
)


@final
class Wasserstein(Pointwise):
    r"""Compute the difference of mean scores, the Wasserstein-1 distance for 1-Lipschitz critics.

    .. math:: C = E_f[s] - E_r[s], \qquad -C^* = W_1(p, q), \qquad P = -E_f[s]

    Without a constraint it is unbounded: add ``gradient_penalty`` or ``spectral_norm``. The paper's
    ``weight_clipping`` biases the critic towards very simple functions, as its authors note.

    Example:
        >>> import torch
        >>> Wasserstein().fake_loss(torch.ones(1))
        tensor([1.])

    Reference:
        Arjovsky et al. 2017, eq. 2 and 3.

    Deviations:
        None.
    """

    @property
    def loss_at_chance(self) -> float:
        return 0.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def fake_loss(self, scores: Tensor) -> Tensor:
        return scores

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores


def wgan(limit: float = 0.01) -> Chain:
    """Build WGAN with weight clipping and RMSProp; prefer ``wgan-gp``, as its authors do."""
    defaults = Defaults(critic_steps=5, lr=5e-5, optimizer="rmsprop")
    return Chain(Wasserstein(), (WeightClipping(limit),), defaults)


@cites(IMPROVED)
def wgan_gp(weight: float = 10.0) -> Chain:
    """Build WGAN-GP with the paper's Adam (Gulrajani et al. 2017, algorithm 1)."""
    return Chain(
        Wasserstein(),
        (GradientPenalty(weight),),
        Defaults(critic_steps=5, lr=1e-4, betas=(0.0, 0.9)),
    )


ALIASES = {"wgan": wgan, "wgan-gp": wgan_gp}
