"""Draw exploration noise again, and end episodes of a replay buffer, where environments reset."""

import warnings
from typing import Any

from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.buffers import DictReplayBuffer, ReplayBuffer
from stable_baselines3.her.her_replay_buffer import HerReplayBuffer

# Attributes of HER's buffer, in addition to those of an ordinary one.
EPISODES = ("ep_start", "ep_length")


def draw_exploration(algorithm: BaseAlgorithm) -> None:
    """Draw the exploration matrix of gSDE; nothing for an algorithm without it.

    An algorithm draws it before a rollout, so that it is not a function of the random state in a
    checkpoint.

    Args:
        algorithm: The algorithm.
    """
    if getattr(algorithm, "use_sde", False):
        owner: Any = getattr(algorithm, "actor", None) or algorithm.policy
        owner.reset_noise(algorithm.n_envs)


def end_episodes(buffer: Any) -> None:
    """End the unfinished episodes of HER's buffer, since the environments are reset.

    Args:
        buffer: A replay buffer; another than HER's holds no episodes.
    """
    if isinstance(buffer, HerReplayBuffer):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="The last trajectory in the replay buffer")
            buffer.truncate_last_trajectory()


def refuse_unknown_buffer(buffer: Any) -> None:
    """Refuse a replay buffer whose state a checkpoint does not hold.

    Args:
        buffer: A replay buffer, or None.

    Raises:
        ValueError: If the buffer is not one of stable-baselines3, or keeps infos.
    """
    known = (ReplayBuffer, DictReplayBuffer, HerReplayBuffer)
    if buffer is not None and type(buffer) not in known:
        raise ValueError(
            "replay_buffer_class: expected ReplayBuffer, DictReplayBuffer or HerReplayBuffer with "
            f"out=, whose state a checkpoint holds, got {type(buffer).__name__}; leave out= out"
        )
    if getattr(buffer, "copy_info_dict", False):
        raise ValueError(
            "copy_info_dict: expected False with out=, since a checkpoint holds no infos, got "
            "True; set it to False or leave out= out"
        )
