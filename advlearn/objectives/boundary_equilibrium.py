"""BEGAN: an energy critic whose weight on fake samples is controlled to a chosen balance."""

from collections.abc import Sequence
from typing import ClassVar, final

import torch
from torch import Tensor

from advlearn.core import distributed
from advlearn.core.chain import Chain, Defaults
from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch, mean_of
from advlearn.core.described import Reference
from advlearn.core.objective import CriticOutput, Pointwise

REFERENCE = Reference(
    "BEGAN: Boundary Equilibrium Generative Adversarial Networks",
    "Berthelot et al. 2017",
    "section 3.4",
    "https://arxiv.org/abs/1703.10717",
)


@final
class BoundaryEquilibrium(Pointwise):
    r"""Compute BEGAN's losses of energies, with a controlled weight on fake samples.

    .. math:: C = E_r[e] - k\,E_f[e], \qquad P = E_f[e], \qquad
        k \leftarrow clip(k + \lambda (\gamma\,E_r[e] - E_f[e]), 0, 1)

    The critic returns the negated energy, ``s = -e`` with ``e >= 0``. The controller holds
    ``E_f[e] = gamma E_r[e]``: a low `gamma` gives sharp samples of little diversity. The loss at
    chance depends on k and on the energy's level, so `loss_at_chance` and `divergence_estimate` are
    NaN; watch `convergence_measure`.

    Args:
        gamma: Ratio of the mean energies at equilibrium, in (0, 1] for an auto-encoder.
        k_lr: lambda, the controller's step for each step of the critic.

    Attributes:
        k: Buffer: the weight of fakes, from 0 to 1, starting at 0.

    Raises:
        ValueError: If a number is negative or not finite.

    Example:
        >>> import torch
        >>> BoundaryEquilibrium().real_loss(torch.tensor([-2.0]))
        tensor([2.])

    Reference:
        Berthelot et al. 2017, section 3.4 (losses and controller) and 3.4.1 (convergence measure).

    Deviations:
        k is updated from the losses of the last critic step, not of the last generator step.
    """

    critic_output: ClassVar[CriticOutput] = "energy"
    k: Tensor
    imbalance: Tensor

    def __init__(self, gamma: float = 0.5, k_lr: float = 1e-3) -> None:
        super().__init__()
        self.gamma = check_number("gamma", gamma, low=0)
        self.k_lr = check_number("k_lr", k_lr, low=0)
        self.register_buffer("k", torch.zeros(()))
        self.register_buffer("imbalance", torch.zeros(()), persistent=False)

    @property
    def loss_at_chance(self) -> float:
        return float("nan")

    def real_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def fake_loss(self, scores: Tensor) -> Tensor:
        return self.k * scores

    def generator_loss(self, scores: Tensor) -> Tensor:
        return -scores

    def critic_loss(self, batch: CriticBatch) -> Tensor:
        self.note_outputs([batch])
        return super().critic_loss(batch)

    def note_outputs(self, batches: Sequence[CriticBatch]) -> None:
        imbalances = [distributed.mean(self._imbalance(batch)) for batch in batches]
        self.imbalance.copy_(mean_of(imbalances))

    def update_state(self) -> None:
        self.k.add_(self.k_lr * self.imbalance).clamp_(0, 1)

    def convergence_measure(self, batch: CriticBatch) -> Tensor:
        """Compute the convergence measure, mean real energy plus absolute imbalance: a scalar."""
        real_scores, _ = batch.scores
        return -batch.mean_real(real_scores) + self._imbalance(batch).abs()

    def _imbalance(self, batch: CriticBatch) -> Tensor:
        real_scores, fake_scores = batch.scores
        return batch.mean_fake(fake_scores) - self.gamma * batch.mean_real(real_scores)


def began(gamma: float = 0.5) -> Chain:
    """Build BEGAN with the Adam settings of its paper (section 4)."""
    return Chain(BoundaryEquilibrium(gamma), defaults=Defaults(lr=1e-4, betas=(0.5, 0.999)))


ALIASES = {"began": began}
