"""The scale of a learned reward, so that values stay of order one whatever the critic's scores are."""

from typing import Any, final

import torch
from torch import Tensor


@final
class ReturnScale:
    r"""Divide rewards by the running standard deviation of discounted returns, without taking a mean off.

    .. math:: R_t = r_t + \gamma\,(1 - end_{t-1})\,R_{t-1}, \qquad r_t \leftarrow r_t / std(R)

    A critic that wins gives rewards of any size, and a value function takes many steps to reach
    hundreds; the policy's own gradient, whose advantages are normalised, does not change. Taking a
    mean off would pay for living or dying. Sums are float64, and nothing is read on the host but by
    `state_dict`.

    Args:
        gamma: Discount.
        environments: Number of environments n.
        device: Where the rewards are.

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
        """Scaled rewards (T, n) of a rollout, from `rewards` and whether an episode `ended` with each step, bool."""
        seen = torch.empty_like(rewards, dtype=torch.float64)
        for t in range(len(rewards)):
            seen[t] = rewards[t] + self.gamma * self._return
            self._return = seen[t].masked_fill(ended[t], 0)
        self._add(seen)
        spread = (self._square / self._count).sqrt()
        return rewards / torch.where(spread > 1e-8, spread, 1.0)

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: plain numbers."""
        return {
            "return": self._return.tolist(),
            "moments": [self._count, float(self._mean), float(self._square)],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        count, *moments = state["moments"]
        self._return = torch.tensor(
            state["return"], dtype=torch.float64, device=self._return.device
        )
        self._mean, self._square = torch.tensor(
            moments, dtype=torch.float64, device=self._return.device
        )
        self._count = int(count)

    def _add(self, values: Tensor) -> None:
        """Chan's update of count, mean and sum of squares."""
        count, mean = values.numel(), values.mean()
        total, apart = self._count + count, mean - self._mean
        self._square = (
            self._square
            + (values - mean).square().sum()
            + apart.square() * (self._count * count / total)
        )
        self._mean = self._mean + apart * (count / total)
        self._count = total
