"""The hinge loss with a generator's loss that is bounded below."""

from typing import final

from torch import Tensor
from torch.nn.functional import relu

from advlearn.core.chain import Chain
from advlearn.core.described import Reference
from advlearn.core.objective import Pointwise

REFERENCE = Reference(
    "High Fidelity Neural Audio Compression",
    "Defossez et al. 2022",
    "section 3.4, the adversarial loss of the generator",
    "https://arxiv.org/abs/2210.13438",
)


@final
class BoundedHinge(Pointwise):
    r"""Compute the hinge loss of both sides, with a margin for the generator too.

    .. math:: C = E_r[\max(0, 1 - s)] + E_f[\max(0, 1 + s)], \qquad P = E_f[\max(0, 1 - s)]

    The critic's loss is that of `Hinge`. A fake sample with a score of at least one gives the
    generator no gradient, so its loss cannot fall without bound next to a reconstruction loss.

    Example:
        >>> import torch
        >>> BoundedHinge().generator_loss(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([2., 1., 0.])

    Reference:
        Defossez et al. 2022 (EnCodec), section 3.4; ``hinge2`` of audiocraft.

    Deviations:
        None.
    """

    @property
    def loss_at_chance(self) -> float:
        return 2.0

    def real_loss(self, scores: Tensor) -> Tensor:
        return relu(1 - scores)

    def fake_loss(self, scores: Tensor) -> Tensor:
        return relu(1 + scores)

    def generator_loss(self, scores: Tensor) -> Tensor:
        return relu(1 - scores)

    def optimal_score(self, log_ratio: Tensor) -> Tensor:
        return log_ratio.sign()

    def divergence(self, ratio: Tensor) -> Tensor:
        return (ratio - 1).abs()


def hinge2() -> Chain:
    """Build the hinge loss with a bounded generator's loss, ``hinge2`` of audiocraft."""
    return Chain(BoundedHinge())


ALIASES = {"hinge2": hinge2}
