"""Distributions of actions that draw and score without a host synchronisation.

The distributions of torch check their arguments when they are built (`validate_args`), and
`torch.multinomial` checks its probabilities. On a GPU each check waits for all queued work.
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
    """Draw discrete actions, with the same numbers as `torch.multinomial` for the same generator.

    Example:
        >>> logits = torch.tensor([[0.0, 9.0], [9.0, 0.0]])
        >>> DeviceCategorical(2).proba_distribution(logits).mode()
        tensor([1, 0])
    """

    def proba_distribution(self, action_logits: Tensor) -> Self:
        """Set the logits (n, k)."""
        self.distribution = Categorical(logits=action_logits, validate_args=False)
        return self

    def sample(self) -> Tensor:
        """Draw actions (n,)."""
        probabilities = self.distribution.probs
        # Exponential race: with E_i ~ Exp(1), argmax p_i / E_i is i with probability p_i.
        return (probabilities / torch.empty_like(probabilities).exponential_()).argmax(-1)


@final
class DeviceGaussian(DiagGaussianDistribution):
    """Draw and score continuous actions as stable-baselines3 does.

    Example:
        >>> DeviceGaussian(2).proba_distribution(torch.zeros(3, 2), torch.zeros(2)).mode().shape
        torch.Size([3, 2])
    """

    def proba_distribution(self, mean_actions: Tensor, log_std: Tensor) -> Self:
        """Set the means (n, k) and the logarithms of the standard deviations (k,)."""
        self.distribution = Normal(
            mean_actions, log_std.exp().expand_as(mean_actions), validate_args=False
        )
        return self


def device_distribution(distribution: Distribution) -> Distribution:
    """Return a distribution of the same kind that needs no host synchronisation.

    Raises:
        TypeError: If the distribution is neither categorical nor diagonal Gaussian.
    """
    if type(distribution) is CategoricalDistribution:
        return DeviceCategorical(distribution.action_dim)
    if type(distribution) is DiagGaussianDistribution:
        return DeviceGaussian(distribution.action_dim)
    raise TypeError(
        "policy: expected categorical or diagonal Gaussian actions, got "
        f"{type(distribution).__name__}; use PPO of stable-baselines3"
    )
