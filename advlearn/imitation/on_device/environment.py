"""The interface of a batch of environments for `DevicePPO`, and the wrappers that it uses."""

import importlib
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol, Self, final, runtime_checkable

import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import VecEnv, VecEnvWrapper
from torch import Tensor

from advlearn.imitation.demonstrations.transitions import Transitions


class Stepped(Protocol):
    """The result of one step of a batch, in new tensors; `advlearn_envs.Step` implements it."""

    @property
    def observations(self) -> Tensor:
        """Observations (n, d) float32; the first of the new episode where an episode ended."""
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
        """Observations after the step and before any reset, (n, d) float32."""
        ...

    def _replace(self, *, rewards: Tensor) -> Self: ...


# A protocol, since the library does not need `advlearn_envs`, and any batch of this form will do.
@runtime_checkable
class Batch(Protocol):
    """Environments that step together in tensors and reset themselves.

    `advlearn_envs.BatchedEnv` implements it. CUDA graphs hold the steps of a batch that also has
    ``capturable = True``, and ``storages()`` and ``continue_in(storages)`` as `BatchedEnv` has
    them. Its optional ``generator`` is a `torch.Generator` on its device that its steps draw from,
    and its optional ``launcher`` calls what its steps launch outside of torch's operators.
    """

    @property
    def num_envs(self) -> int:
        """Number of environments n."""
        ...

    @property
    def device(self) -> torch.device:
        """Device of the tensors, with its index."""
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
    """Wrap a batch; attributes that the wrapper does not define are those of the inner batch.

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
        # Python looks names such as __deepcopy__ up before the inner batch is set.
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
    """Record the return and length of each episode, as `VecMonitor` of stable-baselines3 does.

    The records are tensors on the device until `take` reads them.

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
        self._start = time.time()
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
        """Return the latest episodes that ended since the last call; waits for the device.

        Args:
            most: Largest number of episodes.

        Returns:
            For each, the return ``r``, the length ``l`` and the seconds ``t`` since the wrapper was
            built, with the keys of `VecMonitor`.
        """
        if not self._steps:
            return []
        ended, reached = (torch.stack(part) for part in zip(*self._steps, strict=True))
        self._steps = []
        return self.records(reached.transpose(1, 2)[ended][-most:].tolist())

    def forget(self) -> None:
        """Drop the episodes that ended since the last call of `take` or `latest`."""
        self._steps = []

    def latest(self, most: int) -> Tensor:
        """Return the latest episodes that ended since the last call; does not wait for the device.

        Args:
            most: Largest number of episodes.

        Returns:
            Returns and lengths, float64 (most + 1, 2), the newest episode last; then the number of
            episodes, in both columns. Rows before the oldest episode are zero.

        Example:
            >>> from advlearn_envs import CartPole
            >>> env = EpisodeCounter(CartPole(2, time_limit=3))
            >>> _ = env.reset()
            >>> for _ in range(3):
            ...     _ = env.step(torch.zeros(2, dtype=torch.int64))
            >>> env.latest(3).tolist()
            [[0.0, 0.0], [3.0, 3.0], [3.0, 3.0], [2.0, 2.0]]
        """
        ended, reached = (torch.stack(part) for part in zip(*self._steps, strict=True))
        self._steps = []
        ended, rows = ended.flatten(), reached.transpose(1, 2).flatten(0, 1)
        count = ended.cumsum(0)
        place = most - 1 - (count[-1] - count)
        # Rows that are not kept are written to the place of the number.
        place = torch.where(ended & (place >= 0), place, most)
        table = rows.new_zeros(most + 1, 2)
        table[place] = rows
        table[most] = count[-1]
        return table

    def records(self, rows: list[list[float]]) -> list[dict[str, Any]]:
        """Return records with the keys of `VecMonitor` of rows of return and length."""
        now = round(time.time() - self._start, 6)
        return [{"r": total, "l": int(length), "t": now} for total, length in rows]

    def storages(self) -> tuple[Tensor]:
        """Return the tensor of the running returns and lengths, not copied."""
        return (self._running,)

    def continue_in(self, storages: tuple[Tensor]) -> None:
        """Copy the running returns and lengths to a tensor of `storages`, and use it from now."""
        (self._running,) = moved((self._running,), storages)


@final
class DeviceRecording(BatchWrapper):
    """Return a reward of zero and record each step in the environment's units.

    It is `RecordingVecEnv` for tensors.

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
        # No copies are needed: a batch returns new tensors, and the actions are not written to.
        self._steps.append((self._before, actions, step.final_observations, step.terminated))
        self._before = step.observations
        return step._replace(rewards=torch.zeros_like(step.rewards))

    def take(self) -> Transitions:
        """Return the steps since the last call: T n rows, ordered by step, then by environment."""
        parts = [torch.cat(part) for part in zip(*self._steps, strict=True)]
        self.forget()
        return Transitions.of(*parts)

    def forget(self) -> None:
        """Drop the recorded steps."""
        self._steps = []

    def start(self, before: Tensor) -> None:
        """Drop the recorded steps, and record from these observations on."""
        self._steps, self._before = [], before

    def hold(self, steps: Transitions, before: Tensor) -> None:
        """Record steps that were taken already, in place of those since the last `take`.

        Args:
            steps: The steps.
            before: Observations after the last of them.
        """
        observations, actions, next_observations, terminated = steps
        self._steps = [(observations, actions, next_observations, terminated)]
        self._before = before


def moved(tensors: Sequence[Tensor], storages: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Copy tensors into others of the same shapes, where they differ; return the others."""
    for tensor, storage in zip(tensors, storages, strict=True):
        if tensor is not storage:
            storage.copy_(tensor)
    return tuple(storages)


def unwrap_batch(batch: Any) -> Any:
    """Return the batch inside the wrappers of this module."""
    while isinstance(batch, BatchWrapper):
        batch = batch.batch
    return batch


def vec_env(env: Any) -> VecEnv:
    """Wrap a batch in an `EpisodeCounter` and a new `StableBaselinesVecEnv`.

    Args:
        env: A batch, or a `StableBaselinesVecEnv` around one, which is not changed. Its seed for
            the next reset is used.

    Returns:
        The wrapped batch.

    Raises:
        TypeError: If `env` is neither, or is wrapped in a wrapper of stable-baselines3, which
            computes in numpy.
        ValueError: If the observations are not vectors, or the actions are neither discrete nor
            vectors.
    """
    plain = isinstance(env, VecEnv) and not isinstance(env, VecEnvWrapper)
    batch = unwrap_batch(getattr(env, "env", None) if plain else env)
    if not isinstance(batch, Batch):
        raise TypeError(
            "env: expected a BatchedEnv or a StableBaselinesVecEnv around one, without wrappers, "
            f"which compute in numpy, got {type(env).__name__}; use PPO of stable-baselines3"
        )
    observations, actions = batch.observation_space, batch.action_space
    if not isinstance(observations, spaces.Box) or len(observations.shape) != 1:
        raise ValueError(
            f"env: expected observations that are vectors, got {observations}; use PPO of "
            "stable-baselines3"
        )
    if not isinstance(actions, spaces.Discrete | spaces.Box):
        raise ValueError(
            f"env: expected actions that are Discrete or a Box, got {actions}; use PPO of "
            "stable-baselines3"
        )
    # Imported by name, since the library does not depend on `advlearn_envs`.
    adapter = importlib.import_module("advlearn_envs.sb3").StableBaselinesVecEnv
    venv = adapter(EpisodeCounter(batch))
    if isinstance(env, VecEnv):
        venv._seeds = list(env._seeds)
    return venv
