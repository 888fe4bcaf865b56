"""Distributions of actions that draw and score without making the host wait for the device.

Those of torch look at their arguments each time they are made (`validate_args`), and
`torch.multinomial` looks at its probabilities; on a GPU each look waits for everything before it.
"""

from typing import Self, final

import torch
from stable_baselines3.common.distributions import (
    CategoricalDistribution,
    DiagGaussianDistribution,
    Distribution,
)
from torch import Tensor
from torch.distributions import Categorical, Normal


@final
class DeviceCategorical(CategoricalDistribution):
    """Discrete actions, drawn as `torch.multinomial` draws them: the same numbers from the same generator.

    Example:
        >>> found = DeviceCategorical(2).proba_distribution(torch.tensor([[0.0, 9.0], [9.0, 0.0]]))
        >>> found.mode()
        tensor([1, 0])
    """

    def proba_distribution(self, action_logits: Tensor) -> Self:
        """Take logits (n, k)."""
        self.distribution = Categorical(logits=action_logits, validate_args=False)
        return self

    def sample(self) -> Tensor:
        """Actions (n,)."""
        chances = self.distribution.probs
        # Exponential clocks: the one that rings first is i with probability p_i.
        return (chances / torch.empty_like(chances).exponential_()).argmax(-1)


@final
class DeviceGaussian(DiagGaussianDistribution):
    """Continuous actions, drawn and scored as stable-baselines3 does it.

    Example:
        >>> DeviceGaussian(2).proba_distribution(torch.zeros(3, 2), torch.zeros(2)).mode().shape
        torch.Size([3, 2])
    """

    def proba_distribution(self, mean_actions: Tensor, log_std: Tensor) -> Self:
        """Take means (n, k) and the logarithms of the standard deviations (k,)."""
        self.distribution = Normal(
            mean_actions, log_std.exp().expand_as(mean_actions), validate_args=False
        )
        return self


def resident(distribution: Distribution) -> Distribution:
    """The same kind of distribution, without waiting.

    Raises:
        TypeError: Another kind than categorical or diagonal Gaussian.
    """
    if type(distribution) is CategoricalDistribution:
        return DeviceCategorical(distribution.action_dim)
    if type(distribution) is DiagGaussianDistribution:
        return DeviceGaussian(distribution.action_dim)
    raise TypeError(
        f"policy: expected categorical or diagonal Gaussian actions, got {type(distribution).__name__}"
    )
