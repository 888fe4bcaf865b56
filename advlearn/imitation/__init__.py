"""Adversarial imitation on stable-baselines3: install ``advlearn[rl]``."""

from typing import TYPE_CHECKING

from advlearn._lazy import lazy

if TYPE_CHECKING:
    from advlearn.imitation.behaviour_cloning import clone_behaviour
    from advlearn.imitation.demonstrations.dataset import Demonstrations, from_arrays
    from advlearn.imitation.demonstrations.hdf5 import from_hdf5
    from advlearn.imitation.demonstrations.inspection import inspect_demonstrations
    from advlearn.imitation.demonstrations.loading import (
        load_demonstrations,
        record,
        save_demonstrations,
    )
    from advlearn.imitation.demonstrations.sources import (
        from_frames,
        from_huggingface,
        from_minari,
        from_trajectories,
    )
    from advlearn.imitation.demonstrations.transitions import Encoder, Transitions
    from advlearn.imitation.on_device.ppo import DevicePPO
    from advlearn.imitation.outputs import plot_learning_curve, record_video, report
    from advlearn.imitation.result import ImitationResult
    from advlearn.imitation.rewards.learned_reward import LearnedReward
    from advlearn.imitation.rewards.saving import load_reward, save_reward
    from advlearn.imitation.rewards.shapes import REWARD_SHAPES
    from advlearn.imitation.sb3.reward_wrapper import LearnedRewardVecEnv
    from advlearn.imitation.sb3.zoo import zoo_expert
    from advlearn.imitation.specification import methods, specify
    from advlearn.imitation.train import imitate

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
    "from_frames",
    "from_hdf5",
    "from_huggingface",
    "from_minari",
    "from_trajectories",
    "imitate",
    "inspect_demonstrations",
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
    "zoo_expert",
]
_NAMES = {
    "REWARD_SHAPES": "rewards.shapes",
    "Demonstrations": "demonstrations.dataset",
    "DevicePPO": "on_device.ppo",
    "Encoder": "demonstrations.transitions",
    "ImitationResult": "result",
    "LearnedReward": "rewards.learned_reward",
    "LearnedRewardVecEnv": "sb3.reward_wrapper",
    "Transitions": "demonstrations.transitions",
    "clone_behaviour": "behaviour_cloning",
    "from_arrays": "demonstrations.dataset",
    "from_frames": "demonstrations.sources",
    "from_hdf5": "demonstrations.hdf5",
    "from_huggingface": "demonstrations.sources",
    "from_minari": "demonstrations.sources",
    "from_trajectories": "demonstrations.sources",
    "imitate": "train",
    "inspect_demonstrations": "demonstrations.inspection",
    "load_demonstrations": "demonstrations.loading",
    "load_reward": "rewards.saving",
    "methods": "specification",
    "plot_learning_curve": "outputs",
    "record": "demonstrations.loading",
    "record_video": "outputs",
    "report": "outputs",
    "save_demonstrations": "demonstrations.loading",
    "save_reward": "rewards.saving",
    "specify": "specification",
    "zoo_expert": "sb3.zoo",
}


def _where() -> dict[str, str]:
    return {name: f"{__name__}.{module}" for name, module in _NAMES.items()}


__getattr__, __dir__ = lazy(__name__, _where)
