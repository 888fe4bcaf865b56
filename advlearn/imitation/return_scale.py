"""The scale of a learned reward, so that values stay of order one whatever the critic's scores are."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray


@final
class ReturnScale:
    r"""Divide rewards by the running standard deviation of discounted returns, without taking a mean off.

    .. math:: R_t = r_t + \gamma\,(1 - end_{t-1})\,R_{t-1}, \qquad r_t \leftarrow r_t / std(R)

    A critic that wins gives rewards of any size, and a value function takes many steps to reach hundreds; the policy's
    own gradient, whose advantages are normalised, does not change. Taking a mean off would pay for living or dying.

    Args:
        gamma: Discount.
        environments: Number of environments n.

    Example:
        >>> scale = ReturnScale(0.0, 1)
        >>> scale(np.array([[2.0], [-2.0], [2.0], [-2.0]]), np.zeros((4, 1), bool))[:, 0]
        array([ 1., -1.,  1., -1.])

    Reference: Engstrom et al. 2020, "Implementation Matters in Deep RL", section 3 (reward scaling).
    """

    def __init__(self, gamma: float, environments: int) -> None:
        self.gamma = gamma
        self._return = np.zeros(environments)
        self._count, self._mean, self._square = 0.0, 0.0, 0.0

    def __call__(self, rewards: NDArray[Any], ended: NDArray[Any]) -> NDArray[Any]:
        """Scaled rewards (T, n) of a rollout, from `rewards` and whether an episode `ended` with each step."""
        seen = np.empty_like(rewards, dtype=np.float64)
        for t in range(len(rewards)):
            self._return = rewards[t] + self.gamma * self._return
            seen[t] = self._return
            self._return = np.where(ended[t], 0.0, self._return)
        self._add(seen.ravel())
        spread = (self._square / self._count) ** 0.5
        return rewards / (spread if spread > 1e-8 else 1.0)

    def state_dict(self) -> dict[str, Any]:
        """What is needed to go on: plain numbers."""
        return {"return": self._return.tolist(), "moments": [self._count, self._mean, self._square]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""
        self._return = np.array(state["return"])
        self._count, self._mean, self._square = state["moments"]

    def _add(self, values: NDArray[Any]) -> None:
        """Chan's update of count, mean and sum of squares."""
        count, mean, square = len(values), float(values.mean()), float(((values - values.mean()) ** 2).sum())
        total, apart = self._count + count, mean - self._mean
        self._square += square + apart**2 * self._count * count / total
        self._mean += apart * count / total
        self._count = total
