"""Record the steps of an environment and hide its true reward."""

from typing import Any, final

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Transitions


@final
class RecordingVecEnv(VecEnvWrapper):
    """Return a reward of zero and record each step in the environment's units.

    It is the innermost wrapper, below any normalisation, so that the transitions of demonstrations
    and policy have the same units and the actions are clipped. The true reward is in
    ``info["true_reward"]``.

    Args:
        venv: Vectorised environment that resets itself, and then gives the last observation as
            ``terminal_observation``.
    """

    def __init__(self, venv: VecEnv) -> None:
        super().__init__(venv)
        self._before: Any = None
        self._actions: Any = None
        self._steps: list[tuple[Any, Any, Any, Any]] = []

    def reset(self) -> Any:
        """Reset the environments, and keep the recorded steps."""
        observations = self.venv.reset()
        self._before = self._flat(observations)
        return observations

    def step_async(self, actions: Any) -> None:
        """Start a step."""
        # A copy, since the algorithm may write into the array later.
        self._actions = np.array(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """End a step; return observations, rewards of zero, ends and infos."""
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
        """Return the steps since the last call: T n rows, ordered by step, then by environment."""
        parts = [np.concatenate(part) for part in zip(*self._steps, strict=True)]
        self.forget()
        return Transitions.of(*parts)

    def forget(self) -> None:
        """Drop the recorded steps."""
        self._steps = []

    def _flat(self, observations: Any) -> Any:
        # A copy, since the environment may write into the array later.
        return np.array(flat(observations))

    def _last(self, observation: Any) -> Any:
        dicts = isinstance(observation, dict)
        return flat(
            {name: part[None] for name, part in observation.items()} if dicts else observation[None]
        )[0]
