"""What `DevicePPO` asks of a batch of environments, and the two wrappers that it puts around one."""

import importlib
import time
from abc import ABC, abstractmethod
from typing import Any, Protocol, Self, final, runtime_checkable

import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from torch import Tensor

from advlearn.imitation.demonstrations.transitions import Transitions


class Stepped(Protocol):
    """What one step of a batch returns, new tensors each time; `advlearn_envs.Step` is one."""

    @property
    def observations(self) -> Tensor:
        """Observations (n, d) float32, of the new episode where one ended."""
        ...

    @property
    def rewards(self) -> Tensor:
        """Rewards (n,) float32."""
        ...

    @property
    def terminated(self) -> Tensor:
        """Where the task ended the episode, (n,) bool."""
        ...

    @property
    def truncated(self) -> Tensor:
        """Where the time limit ended it, (n,) bool."""
        ...

    @property
    def final_observations(self) -> Tensor:
        """What the step led to before any reset, (n, d) float32."""
        ...

    def _replace(self, *, rewards: Tensor) -> Self: ...


# Not the class `advlearn_envs.BatchedEnv` itself: the library stands without the environments, and
# any batch of this form will do.
@runtime_checkable
class Batch(Protocol):
    """Environments that step together in tensors and reset themselves; `advlearn_envs.BatchedEnv` is one."""

    @property
    def num_envs(self) -> int:
        """Environments n in the batch."""
        ...

    @property
    def device(self) -> torch.device:
        """Where its tensors are, with its index."""
        ...

    @property
    def observation_space(self) -> spaces.Space[Any]:
        """Space of one observation."""
        ...

    @property
    def action_space(self) -> spaces.Space[Any]:
        """Space of one action."""
        ...

    def reset(self, seed: int | None = None) -> Tensor:
        """Start an episode in every environment; return observations."""
        ...

    def step(self, actions: Tensor) -> Stepped:
        """Move every environment one step."""
        ...


class BatchWrapper(ABC):
    """A batch around a batch; what it does not define is the inner one's.

    Args:
        batch: The inner batch.
    """

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.num_envs = batch.num_envs
        self.device = batch.device
        self.observation_space = batch.observation_space
        self.action_space = batch.action_space

    def __getattr__(self, name: str) -> Any:
        # Python asks for names such as __deepcopy__ before there is an inner batch to ask.
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return getattr(self.batch, name)

    @abstractmethod
    def reset(self, seed: int | None = None) -> Tensor:
        """Start an episode in every environment; return observations."""

    @abstractmethod
    def step(self, actions: Tensor) -> Stepped:
        """Move every environment one step."""


@final
class EpisodeCounter(BatchWrapper):
    """Return and length of the episodes that end, as tensors until someone asks: stable-baselines3's `VecMonitor`.

    Example:
        >>> from advlearn_envs import CartPole
        >>> env = EpisodeCounter(CartPole(2, time_limit=3))
        >>> _ = env.reset()
        >>> for _ in range(3):
        ...     _ = env.step(torch.zeros(2, dtype=torch.int64))
        >>> [(episode["r"], episode["l"]) for episode in env.take(10)]
        [(3.0, 3), (3.0, 3)]
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._born = time.time()
        self._one = torch.ones(batch.num_envs, device=batch.device)
        self._running = torch.zeros(2, batch.num_envs, dtype=torch.float64, device=batch.device)
        self._steps: list[tuple[Tensor, Tensor]] = []

    def reset(self, seed: int | None = None) -> Tensor:
        self._running = torch.zeros_like(self._running)
        return self.batch.reset(seed)

    def step(self, actions: Tensor) -> Stepped:
        step = self.batch.step(actions)
        ended = step.terminated | step.truncated
        reached = self._running + torch.stack((step.rewards, self._one))
        self._steps.append((ended, reached))
        self._running = reached.masked_fill(ended, 0)
        return step

    def take(self, most: int) -> list[dict[str, Any]]:
        """The episodes that ended since the last call, the latest `most` of them; waits for the device.

        Args:
            most: Most episodes that are returned.

        Returns:
            Return ``r``, length ``l`` and seconds ``t`` since the wrapper was made, as `VecMonitor`
            has them.
        """
        if not self._steps:
            return []
        ended, reached = (torch.stack(part) for part in zip(*self._steps, strict=True))
        self._steps = []
        found = reached.transpose(1, 2)[ended][-most:].tolist()
        now = round(time.time() - self._born, 6)
        return [{"r": total, "l": int(length), "t": now} for total, length in found]


@final
class DeviceRecording(BatchWrapper):
    """Return a reward of zero, and remember each step as the environment saw it: `RecordingVecEnv` for tensors.

    Example:
        >>> from advlearn_envs import CartPole
        >>> env = DeviceRecording(CartPole(2))
        >>> _ = env.reset()
        >>> env.step(torch.ones(2, dtype=torch.int64)).rewards
        tensor([0., 0.])
        >>> env.take().size
        2
    """

    def __init__(self, batch: Batch) -> None:
        super().__init__(batch)
        self._before: Any = None
        self._steps: list[tuple[Tensor, Tensor, Tensor, Tensor]] = []

    def reset(self, seed: int | None = None) -> Tensor:
        self._before = self.batch.reset(seed)
        return self._before

    def step(self, actions: Tensor) -> Stepped:
        step = self.batch.step(actions)
        # No copies: a batch returns new tensors each time, and nobody writes into the actions it
        # was given.
        self._steps.append((self._before, actions, step.final_observations, step.terminated))
        self._before = step.observations
        return step._replace(rewards=torch.zeros_like(step.rewards))

    def take(self) -> Transitions:
        """What was recorded since the last call: T x n rows, the environments of a step beside each other."""
        parts = [torch.cat(part) for part in zip(*self._steps, strict=True)]
        self.forget()
        return Transitions.of(*parts)

    def forget(self) -> None:
        """Let go of what was recorded."""
        self._steps = []


def unwrap_batch(batch: Any) -> Any:
    """The batch inside wrappers of this module."""
    while isinstance(batch, BatchWrapper):
        batch = batch.batch
    return batch


def vec_env(env: Any) -> VecEnv:
    """A `StableBaselinesVecEnv` of one's own around a counted batch; a seed that waits for the next reset is kept.

    Args:
        env: A batch, or a `StableBaselinesVecEnv` around one, which stays as it is.

    Raises:
        TypeError: Anything else, wrappers of stable-baselines3 included: they work in numpy.
        ValueError: Observations that are no vectors; actions that are neither discrete nor vectors.
    """
    plain = isinstance(env, VecEnv) and not isinstance(env, VecEnvWrapper)
    batch = unwrap_batch(getattr(env, "env", None) if plain else env)
    if not isinstance(batch, Batch):
        wanted = "a BatchedEnv or a StableBaselinesVecEnv around one, without wrappers, which work in numpy"
        raise TypeError(f"env: expected {wanted}, got {type(env).__name__}")
    seen, done = batch.observation_space, batch.action_space
    if not isinstance(seen, spaces.Box) or len(seen.shape) != 1:
        raise ValueError(f"env: expected observations that are vectors, got {seen}")
    if not isinstance(done, spaces.Discrete | spaces.Box):
        raise ValueError(f"env: expected actions that are Discrete or a Box, got {done}")
    # By name: the adapter is part of the environments, which whoever has a batch has at hand.
    made = importlib.import_module("advlearn_envs.sb3").StableBaselinesVecEnv(EpisodeCounter(batch))
    if isinstance(env, VecEnv):
        made._seeds = list(env._seeds)
    return made
