"""Base class of batched environments, whose states are one tensor on a device."""

from abc import ABC, abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, ClassVar, NamedTuple, final

import torch
from torch import Tensor

from advlearn_envs.launching import Launcher, at_once

if TYPE_CHECKING:
    from gymnasium import spaces

# Longer than any episode: the limit of single environments is that of gymnasium's wrapper.
NO_LIMIT = 2**31 - 1


class Choice(NamedTuple):
    """Discrete actions, int64 (N,) from 0 to n - 1.

    Args:
        n: Number of actions.
    """

    n: int


class Range(NamedTuple):
    """Continuous actions, float32 (N, A).

    Args:
        low: Lower bound of each component.
        high: Upper bound of each component.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]


class Step(NamedTuple):
    """Result of one step of the batch; the tensors are new at every step.

    Args:
        observations: (N, O) float32; the first of the new episode where an episode ended.
        rewards: (N,) float32.
        terminated: (N,) bool; whether the task ended the episode.
        truncated: (N,) bool; whether the time limit ended it. Both may be true, as in gymnasium.
        final_observations: (N, O) float32; the observations after the step and before any reset,
            which are the next observations of the transitions. They equal `observations` where no
            episode ended.
    """

    observations: Tensor
    rewards: Tensor
    terminated: Tensor
    truncated: Tensor
    final_observations: Tensor


class BatchedEnv(ABC):
    """Step N environments together and restart ended episodes within the same step.

    A subclass defines constants and three pure functions of tensors: `_draw`, `_advance` and
    `_observe`. The state is float64 (S, N), a row for each quantity, so that every operation runs
    over contiguous memory. Start states are drawn for all N environments and selected where an
    episode ended: the operations never depend on values, so that no step waits for the device. They
    are drawn again after `SHORTEST` steps: an environment ends at most once in that time, so it
    never uses a start state twice.

    The state is float64 as in gymnasium, since float32 states diverge from it within an episode.

    Args:
        num_envs: Number of environments N in the batch.
        device: Device of the state; it needs float64.
        seed: Seed of the private generator; the global generators are never used.
        time_limit: Steps after which an episode is truncated; None: the environment's own.

    Raises:
        ValueError: If `num_envs` or `time_limit` is below 1.
    """

    STATE: ClassVar[int]
    LOW: tuple[float, ...]
    HIGH: tuple[float, ...]
    ACTIONS: ClassVar[Choice | Range]
    TIME_LIMIT: ClassVar[int]
    # Smallest number of steps of an episode that is not truncated.
    SHORTEST: ClassVar[int] = 1
    NAME: ClassVar[str]
    # Whether a CUDA graph can hold a step: it consists of operators of torch, but for what it
    # passes to `launcher`.
    capturable: bool = True

    def __init__(
        self,
        num_envs: int,
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        time_limit: int | None = None,
    ) -> None:
        if num_envs < 1:
            raise ValueError(f"num_envs: expected at least 1, got {num_envs}")
        limit = self.TIME_LIMIT if time_limit is None else time_limit
        if limit < 1:
            raise ValueError(f"time_limit: expected at least 1 step, got {limit}")
        # Who captures steps gives one that splits the CUDA graph at a launch.
        self.launcher: Launcher = at_once
        self.num_envs = num_envs
        self.time_limit = limit
        self.generator = torch.Generator(device).manual_seed(seed)
        # An empty tensor gives the index of the device, to compare it with that of actions.
        self.device = torch.empty(0, device=device).device
        self._state: Tensor | None = None
        self._starts = self._zeros(self.STATE)
        self._starts_age = 0
        self._elapsed = torch.zeros(num_envs, dtype=torch.int32, device=self.device)

    @cached_property
    def observation_space(self) -> "spaces.Box":
        """Return gymnasium's space of one observation."""
        return _box(self.LOW, self.HIGH)

    @cached_property
    def action_space(self) -> "spaces.Box | spaces.Discrete":
        """Return gymnasium's space of one action."""
        from gymnasium import spaces

        return (
            spaces.Discrete(self.ACTIONS.n)
            if isinstance(self.ACTIONS, Choice)
            else _box(*self.ACTIONS)
        )

    @property
    def state(self) -> Tensor:
        """Return the state of each environment, float64 (N, S), as a read-only view."""
        return self._running().T

    @torch.no_grad()
    def reset(self, seed: int | None = None) -> Tensor:
        """Start a new episode in every environment.

        Args:
            seed: Seed of the generator; None continues its sequence.

        Returns:
            Observations, float32 (N, O).
        """
        if seed is not None:
            self.generator.manual_seed(seed)
        self._state = self._draw()
        self._starts_age = 0
        self._elapsed = torch.zeros_like(self._elapsed)
        return self._observe(self._state)

    @torch.no_grad()
    def step(self, actions: Tensor) -> Step:
        """Move every environment one step; where an episode ends, start the next.

        Args:
            actions: int64 (N,) or float32 (N, A), on the environment's device. Their values are not
                checked, since a check would wait for the device; the environment clips continuous
                actions.

        Returns:
            The result of the step.

        Raises:
            ValueError: If the actions have another shape, dtype or device.
            RuntimeError: If `reset` was never called.
        """
        self._check(actions)
        state, rewards, terminated = self._advance(self._running(), actions)
        self._elapsed += 1
        truncated = self._elapsed >= self.time_limit
        ended = terminated | truncated
        final_observations = self._observe(state)
        if self._starts_age == 0:
            self._starts = self._draw()
        self._starts_age = (self._starts_age + 1) % min(self.SHORTEST, self.time_limit)
        self._state = torch.where(ended, self._starts, state)
        self._elapsed.masked_fill_(ended, 0)
        return Step(self._observe(self._state), rewards, terminated, truncated, final_observations)

    def state_dict(self) -> dict[str, Tensor]:
        """Return copies of the tensors needed to continue bit for bit."""
        return {
            "state": self._running().clone(),
            "elapsed": self._elapsed.clone(),
            "starts": self._starts.clone(),
            "starts_age": torch.tensor(self._starts_age),
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue from a saved state.

        Args:
            state: The result of `state_dict`: "state" and "starts" float64 (S, N), "elapsed" int32
                (N,), "starts_age" int64 (), "generator" uint8.

        Raises:
            ValueError: If a tensor is missing, or belongs to another environment or number of
                environments.
        """
        missing = {"state", "elapsed", "starts", "starts_age", "generator"} - state.keys()
        if missing:
            raise ValueError(
                "state: expected the tensors of state_dict, got none for "
                f"{', '.join(sorted(missing))}"
            )
        shape = (self.STATE, self.num_envs)
        if tuple(state["state"].shape) != shape:
            raise ValueError(
                f"state: expected shape {shape} as in this batch, got {tuple(state['state'].shape)}"
            )
        self._state = state["state"].to(self.device, torch.float64, copy=True)
        self._starts = state["starts"].to(self.device, torch.float64, copy=True)
        self._starts_age = int(state["starts_age"])
        self._elapsed = state["elapsed"].to(self.device, torch.int32, copy=True)
        self.generator.set_state(state["generator"].cpu())

    def storages(self) -> tuple[Tensor, ...]:
        """Return the tensors of the running state, not copied, for `continue_in`."""
        return self._running(), self._elapsed

    def continue_in(self, storages: tuple[Tensor, ...]) -> None:
        """Copy the state into tensors of `storages`, and use these from now on.

        A CUDA graph of some steps reads the state from fixed tensors: call this before and after
        the steps, inside the graph too. The next step draws new start states, so that each replay
        draws as often.

        Args:
            storages: Earlier tensors of this batch; those of the present state are left as they
                are.
        """
        for now, storage in zip(self.storages(), storages, strict=True):
            if now is not storage:
                storage.copy_(now)
        self._state, self._elapsed = storages
        self._starts_age = 0

    @abstractmethod
    def _draw(self) -> Tensor:
        """Draw N start states, float64 (S, N), from the private generator only."""

    @abstractmethod
    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the next state (S, N), rewards (N,) float32 and terminations (N,) bool."""

    @abstractmethod
    def _observe(self, state: Tensor) -> Tensor:
        """Return observations (N, O) float32 of a state (S, N), as a new tensor."""

    @final
    def _uniform(self, rows: int, low: float, high: float) -> Tensor:
        """Draw (rows, N) float64 numbers, uniform from `low` to `high`."""
        # Drawn as float32 in half the time, since observations are float32.
        drawn = torch.empty(rows, self.num_envs, device=self.device)
        return drawn.uniform_(low, high, generator=self.generator).double()

    @final
    def _zeros(self, rows: int) -> Tensor:
        return torch.zeros(rows, self.num_envs, dtype=torch.float64, device=self.device)

    @final
    def _running(self) -> Tensor:
        if self._state is None:
            raise RuntimeError("state: expected one after a reset, got none; call reset first")
        return self._state

    @final
    def _check(self, actions: Tensor) -> None:
        """Check shape, dtype and device, which need no synchronisation."""
        dtype = torch.int64 if isinstance(self.ACTIONS, Choice) else torch.float32
        tail = () if isinstance(self.ACTIONS, Choice) else (len(self.ACTIONS.low),)
        shape = (self.num_envs, *tail)
        if tuple(actions.shape) != shape or actions.dtype != dtype or actions.device != self.device:
            raise ValueError(
                f"actions: expected {dtype} {shape} on {self.device}, "
                f"got {actions.dtype} {tuple(actions.shape)} on {actions.device}"
            )


def observations_of(rows: Tensor) -> Tensor:
    """Convert rows (O, N) to observations, float32 (N, O), as a new tensor."""
    observations = torch.empty(rows.shape[::-1], dtype=torch.float32, device=rows.device)
    return observations.copy_(rows.T)


def _box(low: tuple[float, ...], high: tuple[float, ...]) -> "spaces.Box":
    import numpy as np
    from gymnasium import spaces

    return spaces.Box(np.array(low, np.float32), np.array(high, np.float32), dtype=np.float32)
