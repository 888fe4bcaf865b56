"""Record the steps of an environment and hide its true reward."""

import time
from typing import Any, final

import numpy as np
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper

from advlearn.imitation.demonstrations.layout import flat
from advlearn.imitation.demonstrations.transitions import Transitions
from advlearn.imitation.sb3.playing import is_monitored


@final
class StepRecorder:
    """Record each step of environments in their units, and hide the true reward.

    The true reward is in ``info["true_reward"]``. Without a monitor, the info of an ended episode
    gets its true return as a monitor gives it, ``info["episode"]``.

    Args:
        num_envs: Number of environments n.
        monitored: Whether infos hold the returns of episodes.
        window: Number of observations in a recorded vector, the oldest first; those before the
            first one of an episode are copies of it.
    """

    def __init__(self, num_envs: int, monitored: bool, window: int = 1) -> None:
        self.num_envs = num_envs
        self.monitored = monitored
        self.window = window
        self._before: Any = None
        self._actions: Any = None
        self._steps: list[tuple[Any, Any, Any, Any]] = []
        self._returns, self._lengths = np.zeros(num_envs), np.zeros(num_envs, dtype=int)
        self._started = time.monotonic()

    def reset(self, observations: Any) -> None:
        """Note the observations after a reset, and keep the recorded steps."""
        self._before = np.tile(self._flat(observations), self.window)
        self._returns[:], self._lengths[:] = 0, 0

    def act(self, actions: Any) -> None:
        """Note the actions of the next step."""
        # A copy, since the algorithm may write into the array later.
        actions = np.array(actions)
        # An algorithm stores actions of more than one dimension as vectors.
        self._actions = actions.reshape(len(actions), -1) if actions.ndim > 2 else actions

    def arrive(self, observations: Any, rewards: Any, ends: Any, infos: Any) -> Any:
        """Record a step, and return rewards of zero."""
        before, newest = self._before, self._flat(observations)
        # The oldest observation leaves the window.
        kept = before[:, newest.shape[1] :]
        after = np.concatenate([kept, newest], 1)
        self._before = after.copy()
        terminated = np.array(ends, dtype=bool)
        self._returns += rewards
        self._lengths += 1
        for i, info in enumerate(infos):
            info["true_reward"] = float(rewards[i])
            if ends[i]:
                last = self._last(info["terminal_observation"])
                after[i] = np.concatenate([kept[i], last])
                self._before[i] = np.tile(newest[i], self.window)
                terminated[i] = not info.get("TimeLimit.truncated", False)
                self._note_episode(i, info)
        self._steps.append((before, self._actions, after, terminated))
        return np.zeros_like(rewards)

    def take(self) -> Transitions:
        """Return the steps since the last call: T n rows, ordered by step, then by environment."""
        parts = [np.concatenate(part) for part in zip(*self._steps, strict=True)]
        self.forget()
        return Transitions.of(*parts)

    def forget(self) -> None:
        """Drop the recorded steps."""
        self._steps = []

    def _note_episode(self, i: int, info: dict[str, Any]) -> None:
        """Add the return of an ended episode to its info, if no monitor does."""
        if not self.monitored:
            elapsed = round(time.monotonic() - self._started, 6)
            total, length = float(self._returns[i]), int(self._lengths[i])
            info["episode"] = {"r": total, "l": length, "t": elapsed}
        self._returns[i], self._lengths[i] = 0, 0

    def _flat(self, observations: Any) -> Any:
        # A copy, since the environment may write into the array later.
        return np.array(flat(observations))

    def _last(self, observation: Any) -> Any:
        if isinstance(observation, dict):
            return flat({name: np.asarray(part)[None] for name, part in observation.items()})[0]
        return flat(np.asarray(observation)[None])[0]


@final
class RecordingVecEnv(VecEnvWrapper):
    """Return a reward of zero and record each step, as a wrapper.

    Args:
        venv: Vectorised environment that resets itself, and then gives the last observation as
            ``terminal_observation``.
        window: Number of observations in a recorded vector.
    """

    def __init__(self, venv: VecEnv, window: int = 1) -> None:
        super().__init__(venv)
        self.recorder = StepRecorder(venv.num_envs, is_monitored(venv), window)

    def reset(self) -> Any:
        """Reset the environments, and keep the recorded steps."""
        observations = self.venv.reset()
        self.recorder.reset(observations)
        return observations

    def step_async(self, actions: Any) -> None:
        """Start a step."""
        self.recorder.act(actions)
        self.venv.step_async(actions)

    def step_wait(self) -> Any:
        """End a step; return observations, rewards of zero, ends and infos."""
        observations, rewards, ends, infos = self.venv.step_wait()
        return observations, self.recorder.arrive(observations, rewards, ends, infos), ends, infos

    def take(self) -> Transitions:
        """Return the steps since the last call: T n rows, ordered by step, then by environment."""
        return self.recorder.take()

    def forget(self) -> None:
        """Drop the recorded steps."""
        self.recorder.forget()
