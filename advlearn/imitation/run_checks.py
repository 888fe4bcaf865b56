"""Check the numbers of a run of imitation, and what its algorithm can use."""

from collections.abc import Mapping
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from advlearn.core.checks import check_count, check_number
from advlearn.imitation.on_device.ppo import DevicePPO
from advlearn.imitation.sb3 import algorithms
from advlearn.imitation.specification import Specification

# Critic steps for each rollout, and environment steps between two critic updates.
CRITIC_STEPS_PER_ROLLOUT, CRITIC_EVERY = 8, 8


def check_numbers(
    specification: Specification, steps: int | None, save_every: int, chosen: Mapping[str, Any]
) -> int:
    """Check the numbers of a run and return its environment steps, 0 with behaviour cloning."""
    cloning_only = specification.cloning_only
    if not cloning_only:
        if steps is None:
            raise ValueError(
                "steps: expected a number of environment steps, got None; pass steps=100_000 or "
                "another number"
            )
        check_number("steps", steps, low=1)
    check_number("batch_size", chosen["batch_size"], low=1)
    check_number("critic_replay_size", chosen["critic_replay_size"], low=0)
    check_number("bc_steps", chosen["bc_steps"], low=int(cloning_only))
    check_count("save_every", save_every)
    return 0 if steps is None else steps


def critic_pace(
    learner: BaseAlgorithm, critic_steps: int | None, critic_every: int | None
) -> dict[str, int]:
    """Return how often the critic is trained; refuse `critic_every` for on-policy algorithms."""
    on_policy = isinstance(learner, OnPolicyAlgorithm)
    if on_policy and critic_every is not None:
        raise ValueError(
            f"critic_every: expected None, since {type(learner).__name__} trains its critic after "
            f"each rollout, got {critic_every}; set critic_steps, or n_steps of the algorithm"
        )
    if critic_steps is None:
        critic_steps = CRITIC_STEPS_PER_ROLLOUT if on_policy else 1
    check_number("critic_steps", critic_steps, low=1)
    if on_policy:
        return {"critic_steps": critic_steps}
    critic_every = CRITIC_EVERY if critic_every is None else critic_every
    check_number("critic_every", critic_every, low=1)
    return {"critic_steps": critic_steps, "critic_every": critic_every}


def check_algorithm(
    learner: BaseAlgorithm, critic_replay_size: int, bc_steps: int, critic_window: int
) -> None:
    """Refuse settings that the algorithm does not use."""
    name = type(learner).__name__
    if critic_window > 1 and (
        not isinstance(learner, OnPolicyAlgorithm) or isinstance(learner, DevicePPO)
    ):
        raise ValueError(
            f"critic_window: expected 1 with {name}, whose memory holds single steps, got "
            f"{critic_window}; use PPO, A2C or TRPO, or a VecFrameStack"
        )
    if critic_replay_size and not isinstance(learner, OnPolicyAlgorithm):
        raise ValueError(
            f"critic_replay_size: expected 0, since {name} has a replay buffer, got "
            f"{critic_replay_size}; set buffer_size of the algorithm"
        )
    if bc_steps and not hasattr(learner.policy, "evaluate_actions"):
        raise TypeError(
            "bc_steps: expected 0 or an algorithm with an actor-critic policy, got "
            f"{bc_steps} with {name}; use PPO, A2C or TRPO"
        )
    if bc_steps:
        algorithms.refuse_hidden_inputs(learner, "bc_steps")
