"""A constraint on a critic, or on what a critic tells the player."""

from typing import ClassVar

from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples
from advlearn.core.described import Described


class Regularizer(Described):
    """What keeps a critic smooth, bounded or honest.

    A subclass gives any of five methods; each does nothing by
    default.

    Attributes:
        decomposable: Whether the mean of a penalty over a batch is the mean over its parts.
        reasons: Tag name to the reason why it is False.
        EXEMPT: Name of a check of `advlearn.testing.check_regularizer` that does not apply, to the
            reason.
    """

    decomposable: ClassVar[bool] = True
    reasons: ClassVar[dict[str, str]] = {}
    EXEMPT: ClassVar[dict[str, str]] = {}

    def wrap(self, critic: nn.Module) -> nn.Module:
        """Return the critic with the constraint built in; called once, before the critic's optimiser is made."""
        return critic

    def filter_fakes(self, fake: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
        """The fake samples, without graph, that a step of the critic alone is made on, and their weights (N,)."""
        return fake, weights

    def penalty(self, batch: CriticBatch) -> Tensor | None:
        """A scalar added to the critic's loss, or None."""
        return None

    def player_penalty(self, batch: CriticBatch) -> Tensor | None:
        """A scalar added to the player's loss, or None."""
        return None

    def after_step(self, critic: nn.Module) -> None:
        """Called without gradient after each step of the critic's optimiser: project weights, advance a schedule."""
