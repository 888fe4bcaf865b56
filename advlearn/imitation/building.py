"""Build the encoder, the critic and the learned reward of a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, cast, final

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch import nn

from advlearn.core.adversary import Adversary, OptimizerFactory
from advlearn.core.chain import OptimizerName
from advlearn.core.checks import check_choice, check_number
from advlearn.core.identity import name_of, values_of
from advlearn.core.inputs import Inputs
from advlearn.critics import propose
from advlearn.imitation.demonstrations.layout import Layout
from advlearn.imitation.demonstrations.transitions import (
    CriticView,
    Encoder,
    Transitions,
)
from advlearn.imitation.on_device.environment import DeviceRecording
from advlearn.imitation.progress_log import ProgressLog
from advlearn.imitation.rewards.airl_critic import AIRLCritic
from advlearn.imitation.rewards.learned_reward import LearnedReward, LogProb
from advlearn.imitation.sb3 import algorithms
from advlearn.imitation.sb3.off_policy import OffPolicyReward, RelabelingReplayBuffer
from advlearn.imitation.sb3.on_policy import OnPolicyReward
from advlearn.imitation.sb3.recording import StepRecorder
from advlearn.imitation.specification import Reward, Specification

RewardCallback = OnPolicyReward | OffPolicyReward
HIDDEN = (64, 64)


@final
@dataclass(frozen=True, slots=True)
class RewardSettings:
    """Settings of the learned reward and its critic; `imitate` documents each."""

    expert_subsample: int
    critic_inputs: CriticView
    critic_window: int
    reward: Reward
    absorbing: bool
    critic: nn.Module | Callable[[Inputs], nn.Module] | None
    critic_lr: float
    optimizer: OptimizerFactory | OptimizerName | None

    def __post_init__(self) -> None:
        check_number("expert_subsample", self.expert_subsample, low=1)
        check_number("critic_window", self.critic_window, low=1)
        check_number("critic_lr", self.critic_lr, low=0, open_low=True)
        if self.critic is not None and not callable(self.critic):
            raise TypeError(
                "critic: expected a module or a function that returns one, got "
                f"{type(self.critic).__name__}"
            )
        if isinstance(self.optimizer, str):
            check_choice("optimizer", self.optimizer, ("adam", "rmsprop", "sgd"))

    @classmethod
    def of(
        cls, critic: nn.Module | Callable[[Inputs], nn.Module] | None, chosen: Mapping[str, Any]
    ) -> "RewardSettings":
        """Take the settings of the reward from those of the run, and check them."""
        names = {field.name for field in fields(cls)} - {"critic"}
        return cls(critic=critic, **{name: chosen[name] for name in names})

    def plain(self) -> dict[str, Any]:
        """Return plain values that a resumed run must share."""
        return {
            "expert_subsample": self.expert_subsample,
            "critic_inputs": name_of(self.critic_inputs),
            "reward": name_of(self.reward),
            "absorbing": self.absorbing,
            "critic": name_of(self.critic),
            "critic_lr": self.critic_lr,
            "optimizer": name_of(self.optimizer),
        }

    def values(self) -> dict[str, Any]:
        """Return the values that functions of the user hold, which a resumed run must share."""
        functions = {"reward": self.reward, "optimizer": self.optimizer}
        functions |= {"critic_inputs": self.critic_inputs}
        # Runs without windows resume from older checkpoints, which do not name them.
        window = {"critic_window": self.critic_window} if self.critic_window > 1 else {}
        held = window | {f"values_of_{name}": values_of(value) for name, value in functions.items()}
        return {name: value for name, value in held.items() if value is not None}


def build_reward(
    learner: BaseAlgorithm,
    expert: Transitions,
    specification: Specification,
    settings: RewardSettings,
) -> LearnedReward:
    """Build the learned reward of a run.

    Args:
        learner: The algorithm that is trained.
        expert: The expert's transitions, on the learner's device.
        specification: Objective and kind of critic.
        settings: Settings of the reward and its critic.

    Returns:
        The reward, with an untrained critic on the learner's device.

    Raises:
        TypeError: If the method is AIRL and the algorithm is off-policy.
        ValueError: If the objective cannot score transitions.
    """
    space: Any = learner.action_space
    choices, first = (int(space.n), int(space.start)) if hasattr(space, "n") else (0, 0)
    layout, window = Layout(learner.observation_space), settings.critic_window
    encoder = Encoder(
        expert,
        choices=choices,
        first=first,
        critic_inputs=settings.critic_inputs,
        images=tuple(
            (frame * layout.width + start, shape)
            for frame in range(window)
            for start, shape in layout.images
        ),
    )
    gamma = float(cast(Any, learner).gamma)
    if settings.absorbing and gamma >= 1:
        raise ValueError(
            "gamma: expected below 1 with absorbing states, whose value is "
            f"gamma / (1 - gamma), got {gamma} in {type(learner).__name__}; pass absorbing=False"
        )
    critic = _critic(learner, expert, encoder, specification, settings, gamma).to(learner.device)
    return LearnedReward(
        Adversary(critic, specification.chain, lr=settings.critic_lr, optimizer=settings.optimizer),
        encoder,
        expert,
        reward_shape=settings.reward,
        gamma=gamma,
        absorbing=settings.absorbing,
        log_prob=_log_prob(learner, layout.width) if specification.airl else None,
        window=window,
    )


def build_reward_callback(
    learner: BaseAlgorithm,
    learned: LearnedReward,
    recording: StepRecorder | DeviceRecording,
    log: ProgressLog,
    *,
    batch_size: int,
    critic_replay_size: int,
    seed: int = 0,
    **pace: int,
) -> RewardCallback:
    """Build the callback that writes the learned rewards and trains the critic.

    Args:
        learner: The algorithm that is trained; an off-policy one gets a replay buffer that
            recomputes rewards.
        learned: The learned reward.
        recording: The recorded environments.
        log: Called at each update.
        batch_size: Transitions of each side in a critic step.
        critic_replay_size: The policy's newest transitions that an on-policy critic learns from.
        seed: The run's seed.
        **pace: How often the critic is trained.
    """
    if isinstance(learner, OnPolicyAlgorithm):
        return OnPolicyReward(
            learned, recording, critic_replay_size=critic_replay_size, batch_size=batch_size,
            look=log, seed=seed, **pace,
        )  # fmt: skip
    replay = RelabelingReplayBuffer(cast(Any, learner).replay_buffer, learned, learner.policy)
    cast(Any, learner).replay_buffer = replay
    innermost = cast(StepRecorder, recording)
    return OffPolicyReward(learned, innermost, replay, batch_size=batch_size, look=log, **pace)


def _log_prob(learner: BaseAlgorithm, width: int) -> LogProb:
    """Return the policy's log-probability, which reads the newest observation of a window."""
    of_newest = algorithms.log_prob_of(learner)
    return lambda steps: of_newest(steps._replace(observations=steps.observations[:, -width:]))


def _critic(
    learner: BaseAlgorithm,
    expert: Transitions,
    encoder: Encoder,
    specification: Specification,
    settings: RewardSettings,
    gamma: float,
) -> nn.Module:
    if specification.airl:
        if settings.critic is not None:
            raise ValueError(
                "critic: expected None with AIRL, whose critic has a fixed form, got "
                f"{name_of(settings.critic)}; leave it out"
            )
        if not isinstance(learner, OnPolicyAlgorithm):
            raise TypeError(
                "algorithm: expected PPO, A2C or TRPO with AIRL, whose critic needs the policy's "
                f"log-probability, got {type(learner).__name__}; use one of them or method='gail'"
            )
        algorithms.refuse_hidden_inputs(learner, "algorithm")
        return AIRLCritic(
            encoder.width,
            expert.observations.shape[1] + 1,
            gamma,
            images=encoder.images,
            state_images=encoder.state_images,
        )
    inputs = Inputs(((encoder.width,),), images=tuple(encoder.images), hidden=HIDDEN)
    if settings.critic is None:
        return propose(inputs, specification.chain)
    if isinstance(settings.critic, nn.Module):
        return settings.critic
    critic = settings.critic(inputs)
    if not isinstance(cast(object, critic), nn.Module):
        raise TypeError(
            f"critic: expected a function that returns a module, got one that returns "
            f"{type(critic).__name__}"
        )
    return critic
