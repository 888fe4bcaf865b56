"""Scale a learned reward so that values are of order one for any scale of the critic's scores."""

from typing import Any, final

import torch
from torch import Tensor

from advlearn.core import distributed


@final
class ReturnScale:
    r"""Divide rewards by the running standard deviation of discounted returns.

    .. math:: R_t = r_t + \gamma\,(1 - end_{t-1})\,R_{t-1}, \qquad r_t \leftarrow r_t / std(R)

    The rewards of a winning critic can be of any size, and a value function needs many steps to
    learn large returns. The policy's gradient does not change, since its advantages are normalised.
    No mean is subtracted, since that would reward or punish long episodes. The sums are float64,
    and only `state_dict` reads them on the host. Several processes, with as many environments each,
    share one deviation.

    Args:
        gamma: Discount.
        environments: Number of environments n.
        device: Device of the rewards.

    Example:
        >>> scale = ReturnScale(0.0, 1)
        >>> scale(
        ...     torch.tensor([[2.0], [-2.0], [2.0], [-2.0]]), torch.zeros(4, 1, dtype=torch.bool)
        ... )[:, 0]
        tensor([ 1., -1.,  1., -1.])

    Reference: Engstrom et al. 2020, "Implementation Matters in Deep RL", section 3 (reward
    scaling).
    """

    def __init__(self, gamma: float, environments: int, device: torch.device | str = "cpu") -> None:
        self.gamma = gamma
        self._return = torch.zeros(environments, dtype=torch.float64, device=device)
        self._moments = torch.zeros(3, dtype=torch.float64, device=device)

    def __call__(self, rewards: Tensor, ended: Tensor) -> Tensor:
        """Scale the rewards of a rollout.

        Args:
            rewards: Rewards (T, n).
            ended: Whether an episode ended with each step, bool (T, n).

        Returns:
            Scaled rewards (T, n).
        """
        returns = torch.empty_like(rewards, dtype=torch.float64)
        current = self._return
        for t in range(len(rewards)):
            returns[t] = rewards[t] + self.gamma * current
            current = returns[t].masked_fill(ended[t], 0)
        # In place, since a CUDA graph reads and writes fixed tensors.
        self._return.copy_(current)
        self._add(returns)
        deviation = (self._moments[2] / self._moments[0]).sqrt()
        return rewards / torch.where(deviation > 1e-8, deviation, 1.0)

    @property
    def storages(self) -> tuple[Tensor, Tensor]:
        """The tensors that the scale keeps."""
        return self._return, self._moments

    def state_dict(self) -> dict[str, Any]:
        """Return the plain numbers that `load_state_dict` needs."""
        count, *moments = self._moments.tolist()
        return {"return": self._return.tolist(), "moments": [int(count), *moments]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the numbers of `state_dict`."""
        self._return.copy_(torch.tensor(state["return"], dtype=torch.float64))
        self._moments.copy_(torch.tensor(state["moments"], dtype=torch.float64))

    def _add(self, values: Tensor) -> None:
        """Update count, mean and sum of squares by Chan's formula."""
        before, mean, square = self._moments.clone().unbind()
        processes = distributed.world_size()
        count, new_mean = processes * values.numel(), distributed.mean(values.mean())
        total, difference = before + count, new_mean - mean
        square = (
            square
            + processes * distributed.mean((values - new_mean).square().sum())
            + difference.square() * (before * count / total)
        )
        self._moments.copy_(torch.stack((total, mean + difference * (count / total), square)))
