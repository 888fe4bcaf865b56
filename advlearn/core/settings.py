"""Settings of the adversaries that every entry point takes: fit, imitate, estimators, CLI."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, final

import torch
from torch import nn

from advlearn.core.adversary import Adversary
from advlearn.core.chain import Chain
from advlearn.core.checks import check_choice, check_number
from advlearn.core.game import GameFactory, game_factory
from advlearn.core.optim import OPTIMIZERS

Critic = nn.Module | Callable[..., nn.Module] | Mapping[str, Any]
Optimizer = str | Callable[[list[nn.Parameter]], torch.optim.Optimizer]


@final
@dataclass(frozen=True, slots=True)
class AdversarySettings:
    """Settings of the adversaries; None takes the method's default.

    Args:
        critic: The critic, or critics by the name of their adversary; None builds them from the
            data and the objective.
        critic_lr: Learning rate of the critics.
        critic_steps: Critic steps for each step of the learner.
        optimizer: ``"adam"``, ``"rmsprop"``, ``"sgd"``, or a callable from a list of parameters to
            an optimizer; used for the learner and for the critics.
        adversarial_weight: Weight of the adversaries in the learner's loss.
        game: Rule that moves critics and learner together, such as ``"extragradient"``; a
            function that builds one from its sides; None moves them in turn.

    Raises:
        ValueError: If a setting is out of range; the message names it.

    Example:
        >>> AdversarySettings(critic_steps=5).given()
        {'critic_steps': 5}
    """

    critic: Critic | None = None
    critic_lr: float | None = None
    critic_steps: int | None = None
    optimizer: Optimizer | None = None
    adversarial_weight: float | None = None
    game: str | GameFactory | None = None

    def __post_init__(self) -> None:
        if self.critic_lr is not None:
            check_number("critic_lr", self.critic_lr, low=0, open_low=True)
        if self.critic_steps is not None:
            check_number("critic_steps", self.critic_steps, low=1)
        if isinstance(self.optimizer, str):
            check_choice("optimizer", self.optimizer, OPTIMIZERS)
        if self.adversarial_weight is not None:
            check_number("adversarial_weight", self.adversarial_weight, low=0)
        if self.game is not None:
            game_factory(self.game)

    def given(self) -> dict[str, Any]:
        """Return the settings that are not None, by name."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if value is not None}

    def adversaries(
        self,
        critics: Mapping[str, nn.Module],
        chain: Chain,
        *,
        lr: float | None = None,
        compile: bool = False,
    ) -> dict[str, Adversary]:
        """Build an adversary for each critic.

        Args:
            critics: The critics on their device, by the name of their adversary.
            chain: Objective, regularizers and the method's defaults.
            lr: Learning rate where `critic_lr` is None; None takes the chain's.
            compile: Compile the losses.
        """
        weight = 1.0 if self.adversarial_weight is None else self.adversarial_weight
        return {
            name: Adversary(
                critic,
                chain,
                optimizer=self.optimizer,
                lr=lr if self.critic_lr is None else self.critic_lr,
                critic_steps=self.critic_steps,
                adversarial_weight=weight,
                compile=compile,
            )
            for name, critic in critics.items()
        }
