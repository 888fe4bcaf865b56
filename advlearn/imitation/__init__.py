"""Adversarial imitation on stable-baselines3: install ``advlearn[rl]``."""

from advlearn.imitation.behaviour_cloning import clone_behaviour
from advlearn.imitation.demonstrations.dataset import Demonstrations, from_arrays
from advlearn.imitation.demonstrations.loading import (
    from_huggingface,
    from_minari,
    from_trajectories,
    load_demonstrations,
    record,
    save_demonstrations,
)
from advlearn.imitation.demonstrations.transitions import Encoder, Transitions
from advlearn.imitation.imitate import imitate
from advlearn.imitation.on_device.ppo import DevicePPO
from advlearn.imitation.report import plot_learning_curve, record_video, report
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.rewards.saving import load_reward, save_reward
from advlearn.imitation.rewards.shapes import REWARD_SHAPES
from advlearn.imitation.sb3.reward_wrapper import LearnedRewardVecEnv
from advlearn.imitation.specification import methods, specify

__all__ = [
    "REWARD_SHAPES",
    "Demonstrations",
    "DevicePPO",
    "Encoder",
    "ImitationResult",
    "LearnedReward",
    "LearnedRewardVecEnv",
    "Transitions",
    "clone_behaviour",
    "from_arrays",
    "from_huggingface",
    "from_minari",
    "from_trajectories",
    "imitate",
    "load_demonstrations",
    "load_reward",
    "methods",
    "plot_learning_curve",
    "record",
    "record_video",
    "report",
    "save_demonstrations",
    "save_reward",
    "specify",
]
