"""The result of `imitate`: the policy, its learned reward and the history of the training."""

import copy
import pickle
from pathlib import Path
from typing import Any, cast, final

import numpy as np
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.vec_env import VecEnv

from advlearn.core.arguments import checked
from advlearn.core.files import atomic_write
from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.rewards.learned_reward import LearnedReward
from advlearn.imitation.rewards.saving import save_reward


@checked
@final
class ImitationResult:
    """Hold a trained policy, its learned reward and the history of the training.

    Args:
        policy: The algorithm of stable-baselines3, for ``policy.save`` and ``PPO.load``.
        reward: The learned reward, a function of arrays of transitions.
        demonstrations: The imitated demonstrations.
        env_id: Id of the environment that the policy trained in; empty if it has none.

    Attributes:
        history: For each rollout, the environment steps, the return and the critic's losses.
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
        """The learned reward, a function of arrays; the same as `reward`."""
        return self.reward

    def returns(
        self,
        env: str | VecEnv | None = None,
        episodes: int = 20,
        *,
        deterministic: bool = True,
        seed: int = 0,
    ) -> Any:
        """Measure the policy's true returns over whole episodes.

        Args:
            env: Environment id or a vectorised environment; None: a new one of `env_id`. A new
                environment has the scale of observations that the policy was trained with.
            episodes: Number of episodes.
            deterministic: Whether to take the policy's mode; otherwise actions are drawn.
            seed: Seeds an environment that is built from an id.

        Returns:
            The returns, float64 (episodes,).

        Raises:
            ValueError: If `env` is None and the run's environment has no id.
        """
        env = env or self.env_id
        if not env:
            raise ValueError(
                "env: expected an environment, since the run's has no id, got None; pass env="
            )
        from stable_baselines3.common.evaluation import evaluate_policy

        from advlearn.imitation.sb3.making import make_environments

        venv = (
            scaled(make_environments(env, seed=seed), self.policy) if isinstance(env, str) else env
        )
        returns, _ = evaluate_policy(
            self.policy,
            venv,
            episodes,
            deterministic=deterministic,
            return_episode_rewards=True,
            warn=False,
        )
        return np.array(returns)

    def save(self, folder: str | Path) -> Path:
        """Write ``policy.zip``, for stable-baselines3, and ``reward.pt``, for `load_reward`.

        If observations are normalised, also write their scale to ``vecnormalize.pkl``, for
        ``VecNormalize.load``. These two files unpickle when they are loaded: load them only if you
        trust who wrote them. ``reward.pt`` is safe, see ``docs/security.md``.

        Args:
            folder: The folder.

        Returns:
            The folder.
        """
        folder = Path(folder)
        with atomic_write(folder / "policy.zip") as file:
            self.policy.save(cast(Any, file))
        normalise = self.policy.get_vec_normalize_env()
        if normalise is not None:
            with atomic_write(folder / "vecnormalize.pkl") as file:
                # As `VecNormalize.save` does, but an interruption leaves no partial file.
                pickle.dump(normalise, file)
        save_reward(self.reward, folder / "reward.pt")
        return folder


def scaled(venv: VecEnv, policy: BaseAlgorithm) -> VecEnv:
    """Wrap an environment in a copy of the policy's `VecNormalize`, if the policy has one."""
    normalise = policy.get_vec_normalize_env()
    if normalise is None:
        return venv
    fresh = copy.deepcopy(normalise)  # a copy does not hold the environment
    fresh.set_venv(venv)
    fresh.training, fresh.norm_reward = False, False
    return fresh
