"""An environment that pays a learned reward, to train a new policy on it."""

from typing import Any, final

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from advlearn.imitation.learned_reward import LearnedReward


@final
class Rewarded(VecEnvWrapper):
    """Pay the learned reward of each step in place of the true one, which is in ``info["true_reward"]``.

    Args:
        venv: Vectorised environment that resets itself.
        reward: What `imitate` learnt: ``run.reward``. It stays as it is.

    Reference: Fu et al. 2018, section 7.2 (a reward is tested by training a new policy on it).
    """

    def __init__(self, venv: VecEnv, reward: LearnedReward) -> None:
        super().__init__(venv)
        self.reward = reward
        self._before: Any = None
        self._actions: Any = None

    def reset(self) -> Any:
        """Reset the environments."""
        self._before = self.venv.reset()
        return self._before

    def step_async(self, actions: Any) -> None:
        """Start a step."""
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """End a step: observations, learned rewards, ends and what is known beside."""
        observations, rewards, ends, infos = self.venv.step_wait()
        after = np.array(observations)
        terminated = np.array(ends, dtype=bool)
        for i, info in enumerate(infos):
            info["true_reward"] = float(rewards[i])
            if ends[i]:
                after[i] = info["terminal_observation"]
                terminated[i] = not info.get("TimeLimit.truncated", False)
        paid = self.reward(self._before, self._actions, after, terminated)
        self._before = observations
        return observations, paid, ends, infos
