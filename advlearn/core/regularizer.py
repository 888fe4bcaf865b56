"""Regularizers: constraints on a critic or on the generator's loss."""

from typing import ClassVar

from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples
from advlearn.core.described import Described
from advlearn.core.samples import NO_CONDITIONS, Conditions


class Regularizer(Described):
    """Constrain a critic, or add a penalty to the generator's loss.

    A subclass implements any of six methods; each does nothing by default.

    Attributes:
        decomposable: Whether the mean of a penalty over a batch is the mean over its parts.
        reasons: Tag name to the reason why it is False.
        player_needs_real: Whether `player_penalty` needs the scores or features of the real side.
        needs_input_graph: Whether `penalty` differentiates by the samples; the scores of the loss
            then carry a graph to them where they can (`CriticBatch.inputs_require_grad`).
        conditions: Parts of the samples that penalties hold fixed and that get no noise; the head
            sets it on its own copy.
        EXEMPT: Name of a check of `advlearn.testing.check_regularizer` that does not apply, to the
            reason.
    """

    decomposable: ClassVar[bool] = True
    reasons: ClassVar[dict[str, str]] = {}
    player_needs_real: ClassVar[bool] = False
    needs_input_graph: ClassVar[bool] = False
    conditions: Conditions = NO_CONDITIONS
    EXEMPT: ClassVar[dict[str, str]] = {}

    def wrap(self, critic: nn.Module) -> nn.Module:
        """Return the critic with the constraint; called once, before its optimiser is created."""
        return critic

    def filter_fakes(self, fake: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
        """Return the fake samples of a critic step, without graph, and their weights (N,)."""
        return fake, weights

    def points(self, critic: nn.Module, real: Samples, fake: Samples) -> Samples | None:
        """Return samples for `penalty` that the critic may score in one call with both sides.

        Where it does, `CriticBatch.point_scores` has their scores.
        """
        return None

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        """Compute a scalar that is added to the critic's loss, or None."""
        return None

    def player_penalty(self, batch: CriticBatch) -> Tensor | None:
        """Compute a scalar that is added to the generator's loss, or None."""
        return None

    def after_step(self, critic: nn.Module) -> None:
        """Project weights or update state; called without gradient after each critic step."""
