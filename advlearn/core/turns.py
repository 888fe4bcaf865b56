"""How a Trainer moves critics and learner: in turn, or together by the rule of a game."""

# pyright: reportUnknownMemberType=false
# (PyTorch's own annotations are partial)

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, final

import torch

from advlearn.core import stacked
from advlearn.core.adversary import Adversary
from advlearn.core.game import Game, GameFactory, game_factory
from advlearn.core.optim import backward, clear
from advlearn.core.task import SamplePair

Pairs = list[tuple[Adversary, SamplePair]]


class Turns(ABC):
    """Make the moves of one training step.

    Attributes:
        passes: Batches that one move of a side takes.
    """

    passes: int = 1

    @abstractmethod
    def critics(self, pairs: Pairs) -> None:
        """Make a critic step for each pair, before the last critic step."""

    @abstractmethod
    def last_critics(self, pairs: Pairs) -> None:
        """Make the critic step whose batch the learner shares, or prepare it."""

    @abstractmethod
    def learner(self, reversed_critics: Iterable[Adversary]) -> None:
        """Move the learner, and the critics under gradient reversal."""

    def reason_against_capture(self) -> str | None:
        """Return why steps by this rule cannot be captured as a CUDA graph, or None."""
        return None

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Return the state of the rule for an exact resume."""

    @abstractmethod
    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""


@final
class InTurn(Turns):
    """Move each critic as soon as its gradient is known, then the learner.

    Args:
        optimizer: The learner's optimizer.
    """

    def __init__(self, optimizer: torch.optim.Optimizer) -> None:
        self.optimizer = optimizer

    def critics(self, pairs: Pairs) -> None:
        for adversary, pair in pairs:
            adversary.update(*pair)

    def last_critics(self, pairs: Pairs) -> None:
        self.critics(pairs)

    def learner(self, reversed_critics: Iterable[Adversary]) -> None:
        with stacked.outside():
            self.optimizer.step()
        for adversary in reversed_critics:
            adversary.step()

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore nothing: taking turns has no state."""

    def __str__(self) -> str:
        return "critics and learner in turn"


@final
class Together(Turns):
    """Compute the gradients of critics and learner at the same weights, and move by a rule.

    Args:
        game: The rule, with all adversaries and the learner's optimizer as its sides.
    """

    def __init__(self, game: Game) -> None:
        self.game = game
        self.passes = game.passes

    def critics(self, pairs: Pairs) -> None:
        self.last_critics(pairs)
        self.game.step(*(adversary for adversary, _ in pairs))

    def last_critics(self, pairs: Pairs) -> None:
        for adversary, pair in pairs:
            clear(adversary.critic.parameters())
            backward(adversary.critic_loss(*pair))

    def learner(self, reversed_critics: Iterable[Adversary]) -> None:
        self.game.step()

    def reason_against_capture(self) -> str | None:
        return f"{self.game!r} counts and keeps what its rule needs on the host"

    def state_dict(self) -> dict[str, Any]:
        return self.game.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.game.load_state_dict(state)

    def __str__(self) -> str:
        return f"critics and learner by {self.game!r}"


def turns_by(
    game: GameFactory | str | None,
    adversaries: Iterable[Adversary],
    optimizer: torch.optim.Optimizer,
) -> Turns:
    """Return the turns of a Trainer.

    Args:
        game: The rule, as a spec or a function from its sides to a `Game`; None for no rule.
        adversaries: The adversaries.
        optimizer: The learner's optimizer.
    """
    if game is None:
        return InTurn(optimizer)
    return Together(game_factory(game)(*adversaries, optimizer))
