# pyright: reportIncompatibleVariableOverride=false
# (the attributes are tensors here, and arrays in the base class)
"""A rollout buffer of stable-baselines3 whose columns are tensors on a device."""

from collections.abc import Generator
from typing import Any, final

import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.type_aliases import RolloutBufferSamples
from torch import Tensor


@final
class DeviceRolloutBuffer(RolloutBuffer):
    r"""Store T steps of n environments, and their advantages, as tensors on a device.

    .. math:: A_t = \delta_t + \gamma \lambda (1 - end_t) A_{t+1}, \qquad
        \delta_t = r_t + \gamma (1 - end_t) V_{t+1} - V_t

    The arguments are `RolloutBuffer`'s.

    Attributes:
        observations: Float32 (T, n, d).
        actions: Int64 (T, n, 1) or float32 (T, n, k).
        rewards: Float32 (T, n), as are the others.

    Example:
        >>> one = spaces.Box(-1, 1, (1,))
        >>> buffer = DeviceRolloutBuffer(2, one, one, "cpu", gae_lambda=1.0, gamma=0.5, n_envs=1)
        >>> for reward in (1.0, 2.0):
        ...     zeros = torch.zeros(1, 1)
        ...     buffer.add(zeros, zeros, torch.tensor([reward]), zeros[0], zeros, zeros[0])
        >>> buffer.compute_returns_and_advantage(torch.tensor([[4.0]]), torch.tensor([False]))
        >>> buffer.returns[:, 0]
        tensor([3., 4.])

    Reference: Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage
        Estimation", 2016, eq. 16.

    Deviations:
        The minibatches are drawn by torch; those of stable-baselines3 are drawn by numpy. The flat
        samples are ordered by step and then by environment, not by environment and then by step.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    advantages: Tensor
    episode_starts: Tensor
    log_probs: Tensor
    values: Tensor
    returns: Tensor

    def reset(self) -> None:
        """Empty the buffer."""
        shape, device = (self.buffer_size, self.n_envs), self.device
        discrete = isinstance(self.action_space, spaces.Discrete)
        self.observations = torch.zeros(*shape, *self.obs_shape, device=device)
        self.actions = torch.zeros(
            *shape, self.action_dim, dtype=torch.int64 if discrete else None, device=device
        )
        for name in ("rewards", "returns", "episode_starts", "values", "log_probs", "advantages"):
            setattr(self, name, torch.zeros(shape, device=device))
        self.rewind()

    def rewind(self) -> None:
        """Empty the buffer, and keep its tensors for the next rollout."""
        self.generator_ready = False
        self.pos, self.full = 0, False

    def columns(self) -> tuple[Tensor, ...]:
        """Return the columns of a minibatch, (T, n, ...), in the order of its samples."""
        return (
            self.observations,
            self.actions,
            self.values,
            self.log_probs,
            self.advantages,
            self.returns,
        )

    def add(  # type: ignore[override]
        self,
        obs: Tensor,
        action: Tensor,
        reward: Tensor,
        episode_start: Tensor,
        value: Tensor,
        log_prob: Tensor,
    ) -> None:
        """Store a step.

        Args:
            obs: Observations (n, d).
            action: Actions (n,) or (n, k).
            reward: Rewards (n,).
            episode_start: Whether an episode starts with the step, (n,).
            value: Values of the observations, (n, 1).
            log_prob: Log-probabilities of the actions, (n,).
        """
        self.observations[self.pos] = obs
        self.actions[self.pos] = action.reshape(self.n_envs, self.action_dim)
        self.rewards[self.pos] = reward
        self.episode_starts[self.pos] = episode_start
        self.values[self.pos] = value.flatten()
        self.log_probs[self.pos] = log_prob.flatten()
        self.pos += 1
        self.full = self.pos == self.buffer_size

    def compute_returns_and_advantage(self, last_values: Tensor, dones: Any) -> None:
        """Compute advantages and returns of a full rollout.

        Args:
            last_values: Values of the observations after the last step, (n,) or (n, 1).
            dones: Whether an episode ended with the last step, (n,).
        """
        values = self.values
        next_values = torch.cat([values[1:], last_values.reshape(1, -1)])
        ends = torch.as_tensor(dones, device=values.device).to(values)
        continues = 1 - torch.cat([self.episode_starts[1:], ends[None]])
        errors = self.rewards + self.gamma * next_values * continues - values
        decay = self.gamma * self.gae_lambda * continues
        advantage = torch.zeros_like(errors[0])
        for t in reversed(range(self.buffer_size)):
            advantage = torch.addcmul(errors[t], decay[t], advantage)
            self.advantages[t] = advantage
        self.returns.copy_(self.advantages + values)

    def get(self, batch_size: int | None = None) -> Generator[RolloutBufferSamples, None, None]:
        """Yield minibatches of the whole rollout, in an order drawn on the device.

        Args:
            batch_size: Size of each minibatch except the last; None: one minibatch of all rows.

        Raises:
            RuntimeError: If the rollout is not complete.
        """
        if not self.full:
            raise RuntimeError(
                f"get: expected a buffer of {self.buffer_size} steps, got {self.pos}; add the rest"
            )
        size = self.buffer_size * self.n_envs
        order = torch.randperm(size, device=self.device)
        samples = [column.flatten(0, 1) for column in self.columns()]
        for rows in order.split(size if batch_size is None else batch_size):
            yield RolloutBufferSamples(*(part[rows] for part in samples))
