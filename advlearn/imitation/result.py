"""What `imitate` returns: the policy, the reward it learnt from, and how it went."""

import copy
import pickle
from pathlib import Path
from typing import Any, final

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.rewards.saving import save_reward
from advlearn.training.files import atomic_write


@final
class ImitationResult:
    """A policy after imitation.

    Args:
        policy: The algorithm of stable-baselines3, an ordinary one: ``policy.save`` and
            ``PPO.load`` are all it needs.
        reward: The learned reward; called with arrays it gives the reward of transitions.
        demonstrations: What was imitated.
        env_id: The environment that the policy trained in, where it has an id.
    """

    def __init__(
        self,
        policy: BaseAlgorithm,
        reward: LearnedReward,
        demonstrations: Demonstrations,
        env_id: str = "",
    ) -> None:
        self.policy = policy
        self.reward = reward
        self.demonstrations = demonstrations
        self.env_id = env_id
        self.history: list[dict[str, Any]] = []

    @property
    def reward_fn(self) -> LearnedReward:
        """The learned reward as a function of arrays: `reward` by another name."""
        return self.reward

    def returns(
        self,
        env: str | VecEnv | None = None,
        episodes: int = 20,
        *,
        deterministic: bool = True,
        seed: int = 0,
    ) -> Any:
        """True returns of whole episodes of the policy, float64 (episodes,).

        Args:
            env: Environment id or a vectorised environment; a fresh one of `env_id` if None. One
                that is made here has the policy's scale of observations, where it has one.
            episodes: How many.
            deterministic: Take the policy's mode, else draw from it.
            seed: Seeds an environment that is made here.

        Raises:
            ValueError: No environment, here or known by its id.
        """
        env = env or self.env_id
        if not env:
            raise ValueError("env: expected an environment, got none, and the run's has no id")
        from stable_baselines3.common.env_util import make_vec_env
        from stable_baselines3.common.evaluation import evaluate_policy

        venv = (
            scaled(make_vec_env(env, n_envs=1, seed=seed), self.policy)
            if isinstance(env, str)
            else env
        )
        found, _ = evaluate_policy(
            self.policy,
            venv,
            episodes,
            deterministic=deterministic,
            return_episode_rewards=True,
            warn=False,
        )
        return np.array(found)

    def save(self, folder: str | Path) -> Path:
        """Write ``policy.zip`` and ``reward.pt`` into a folder; return it.

        stable-baselines3 loads the policy alone, `load_reward` the reward. Where observations are
        normalised, ``vecnormalize.pkl`` is their scale, for ``VecNormalize.load``.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.policy.save(folder / "policy.zip")
        normalise = self.policy.get_vec_normalize_env()
        if normalise is not None:
            with atomic_write(folder / "vecnormalize.pkl") as file:
                pickle.dump(normalise, file)  # as its own `save` does, but whole or not at all
        save_reward(self.reward, folder / "reward.pt")
        return folder


def scaled(venv: VecEnv, policy: BaseAlgorithm) -> VecEnv:
    """The environment with a policy's scale of observations as it is now, or as it is where there is none."""
    normalise = policy.get_vec_normalize_env()
    if normalise is None:
        return venv
    fresh = copy.deepcopy(normalise)  # without its environment, which it leaves out of copies
    fresh.set_venv(venv)
    fresh.training, fresh.norm_reward = False, False
    return fresh
