"""Scale a learned reward so that values are of order one for any scale of the critic's scores."""

from typing import Any, final

import torch
from torch import Tensor


@final
class ReturnScale:
    r"""Divide rewards by the running standard deviation of discounted returns.

    .. math:: R_t = r_t + \gamma\,(1 - end_{t-1})\,R_{t-1}, \qquad r_t \leftarrow r_t / std(R)

    The rewards of a winning critic can be of any size, and a value function needs many steps to
    learn large returns. The policy's gradient does not change, since its advantages are normalised.
    No mean is subtracted, since that would reward or punish long episodes. The sums are float64,
    and only `state_dict` reads them on the host.

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
        self._count = 0
        self._mean, self._square = torch.zeros(2, dtype=torch.float64, device=device)

    def __call__(self, rewards: Tensor, ended: Tensor) -> Tensor:
        """Scale the rewards of a rollout.

        Args:
            rewards: Rewards (T, n).
            ended: Whether an episode ended with each step, bool (T, n).

        Returns:
            Scaled rewards (T, n).
        """
        returns = torch.empty_like(rewards, dtype=torch.float64)
        for t in range(len(rewards)):
            returns[t] = rewards[t] + self.gamma * self._return
            self._return = returns[t].masked_fill(ended[t], 0)
        self._add(returns)
        deviation = (self._square / self._count).sqrt()
        return rewards / torch.where(deviation > 1e-8, deviation, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """Return the plain numbers that `load_state_dict` needs."""
        return {
            "return": self._return.tolist(),
            "moments": [self._count, float(self._mean), float(self._square)],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the numbers of `state_dict`."""
        count, *moments = state["moments"]
        self._return = torch.tensor(
            state["return"], dtype=torch.float64, device=self._return.device
        )
        self._mean, self._square = torch.tensor(
            moments, dtype=torch.float64, device=self._return.device
        )
        self._count = int(count)

    def _add(self, values: Tensor) -> None:
        """Update count, mean and sum of squares by Chan's formula."""
        count, mean = values.numel(), values.mean()
        total, difference = self._count + count, mean - self._mean
        self._square = (
            self._square
            + (values - mean).square().sum()
            + difference.square() * (self._count * count / total)
        )
        self._mean = self._mean + difference * (count / total)
        self._count = total
