"""An environment that keeps its true reward to itself and remembers what happened."""

from typing import Any, final

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Transitions


@final
class RecordingVecEnv(VecEnvWrapper):
    """Return a reward of zero, and remember each step as the environment saw it.

    It stands next to the environment, below any normalisation, so that demonstrations and policy
    are compared in the environment's own units, with the actions as they were clipped. The true
    reward is in ``info["true_reward"]``.

    Args:
        venv: Vectorised environment that resets itself, and says ``terminal_observation`` where it
            did.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._before: Any = None
        self._actions: Any = None
        self._steps: list[tuple[Any, Any, Any, Any]] = []

    def reset(self) -> Any:
        """Reset the environments; what was recorded stays."""
        observations = self.venv.reset()
        self._before = self._flat(observations)
        return observations

    def step_async(self, actions: Any) -> None:
        """Start a step."""
        # A copy, since an algorithm may go on writing into the array that it hands over.
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """End a step: observations, zeros, ends and what is known beside."""
        observations, rewards, ends, infos = self.venv.step_wait()
        before, self._before = self._before, self._flat(observations)
        after = self._before.copy()
        terminated = np.array(ends, dtype=bool)
        for i, info in enumerate(infos):
            info["true_reward"] = float(rewards[i])
            if ends[i]:
                after[i] = self._last(info["terminal_observation"])
                terminated[i] = not info.get("TimeLimit.truncated", False)
        self._steps.append((before, self._actions, after, terminated))
        return observations, np.zeros_like(rewards), ends, infos

    def take(self) -> Transitions:
        """What was recorded since the last call: T x n rows, the environments of a step beside each other."""
        parts = [np.concatenate(part) for part in zip(*self._steps, strict=True)]
        self.forget()
        return Transitions.of(*parts)

    def forget(self) -> None:
        """Let go of what was recorded."""
        self._steps = []

    def _flat(self, observations: Any) -> Any:
        # A copy, since an environment may go on writing into the array that it hands over.
        return np.array(flat(observations))

    def _last(self, observation: Any) -> Any:
        dicts = isinstance(observation, dict)
        return flat(
            {name: part[None] for name, part in observation.items()} if dicts else observation[None]
        )[0]
