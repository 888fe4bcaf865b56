"""Build the learned reward of a run: encoder, critic and adversary."""

from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType
from typing import Any, cast, final
from zlib import crc32

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import nn

from advlearn.core.adversary import Adversary, OptimizerFactory
from advlearn.core.chain import OptimizerName
from advlearn.core.checks import check_choice, check_number
from advlearn.core.inputs import Inputs
from advlearn.critics import propose
from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.demonstrations.transitions import (
    CriticInputs,
    Encoder,
    Transitions,
)
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.sb3 import algorithms
from advlearn.imitation.specification import Reward, Specification

HIDDEN = (64, 64)


@final
@dataclass(frozen=True, slots=True)
class RewardSettings:
    """What a user may say about the reward and its critic; see `imitate` for each."""

    expert_subsample: int
    critic_inputs: CriticInputs
    reward: Reward
    absorbing: bool
    critic: nn.Module | Callable[[Inputs], nn.Module] | None
    critic_lr: float
    optimizer: OptimizerFactory | OptimizerName | None

    def __post_init__(self) -> None:
        check_number("expert_subsample", self.expert_subsample, low=1)
        check_number("critic_lr", self.critic_lr, low=0, open_low=True)
        if self.critic is not None and not callable(self.critic):
            raise TypeError(
                f"critic: expected a module or a function, got {type(self.critic).__name__}"
            )
        if isinstance(self.optimizer, str):
            check_choice("optimizer", self.optimizer, ("adam", "rmsprop", "sgd"))

    def stated(self) -> dict[str, Any]:
        """Return plain values that a resumed run must share."""
        return {
            "expert_subsample": self.expert_subsample,
            "critic_inputs": self.critic_inputs,
            "reward": _name(self.reward),
            "absorbing": self.absorbing,
            "critic": _name(self.critic),
            "critic_lr": self.critic_lr,
            "optimizer": _name(self.optimizer),
        }


def build_reward(
    learner: BaseAlgorithm, expert: Transitions, asked: Specification, settings: RewardSettings
) -> LearnedReward:
    """Build the learned reward.

    Args:
        learner: The algorithm that is trained.
        expert: The expert's transitions, on the learner's device.
        asked: Objective, reward and kind of critic.
        settings: What the user said.

    Raises:
        TypeError: If AIRL is asked for with an off-policy algorithm.
        ValueError: If the objective cannot score transitions.
    """
    space: Any = learner.action_space
    choices, first = (int(space.n), int(space.start)) if hasattr(space, "n") else (0, 0)
    encoder = Encoder(
        expert,
        choices=choices,
        first=first,
        critic_inputs=settings.critic_inputs,
        images=Layout(learner.observation_space).images,
    )
    gamma = float(cast(Any, learner).gamma)
    critic = _critic(learner, expert, encoder, asked, settings, gamma).to(learner.device)
    return LearnedReward(
        Adversary(critic, asked.chain, lr=settings.critic_lr, optimizer=settings.optimizer),
        encoder,
        expert,
        reward_shape=settings.reward,
        gamma=gamma,
        absorbing=settings.absorbing,
        log_prob=algorithms.log_prob_of(learner) if asked.airl else None,
    )


def _critic(
    learner: BaseAlgorithm,
    expert: Transitions,
    encoder: Encoder,
    asked: Specification,
    settings: RewardSettings,
    gamma: float,
) -> nn.Module:
    if asked.airl:
        if settings.critic is not None:
            raise ValueError("critic: expected None, since AIRL's critic has a form of its own")
        if not isinstance(learner, OnPolicyAlgorithm):
            raise TypeError(
                "method: AIRL's critic needs the policy's log-probability; expected PPO, A2C or "
                f"TRPO, got {type(learner).__name__}"
            )
        return AIRLCritic(
            encoder.width,
            expert.observations.shape[1] + 1,
            gamma,
            images=encoder.images,
            state_images=encoder.state_images,
        )
    inputs = Inputs(((encoder.width,),), images=tuple(encoder.images), hidden=HIDDEN)
    if settings.critic is None:
        return propose(inputs, asked.chain)
    if isinstance(settings.critic, nn.Module):
        return settings.critic
    made = settings.critic(inputs)
    if not isinstance(cast(object, made), nn.Module):
        raise TypeError(
            f"critic: expected the function to return a module, got {type(made).__name__}"
        )
    return made


def _name(thing: Any) -> str | None:
    """Return a string that differs for two settings: a name, with a checksum of a function."""
    if thing is None or isinstance(thing, str):
        return thing
    name = getattr(thing, "__qualname__", type(thing).__qualname__)
    code = getattr(thing, "__code__", None)
    # Two lambdas in one place have one name.
    return name if code is None else f"{name}#{crc32(repr(_parts(code)).encode()):08x}"


def _parts(code: CodeType) -> tuple[Any, ...]:
    """Return what a function does: its instructions, names and constants, inner functions too."""
    constants = [_parts(c) if isinstance(c, CodeType) else c for c in code.co_consts]
    return code.co_code, code.co_names, constants
