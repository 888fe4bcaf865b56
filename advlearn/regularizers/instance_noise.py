"""Instance noise: decreasing Gaussian noise on the inputs of the critic."""

from typing import Any, cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import NO_CONDITIONS, Conditions, map_moving

REFERENCE = Reference(
    "Amortised MAP Inference for Image Super-resolution",
    "Sonderby et al. 2017",
    "section 'Instance noise'",
    "https://arxiv.org/abs/1610.04490",
)


@final
class InstanceNoise(Regularizer):
    r"""Add Gaussian noise to the critic's inputs in training, annealed linearly to zero.

    .. math:: D_t(x) = D(x + s_t\,\epsilon), \qquad \epsilon \sim N(0, I), \qquad
              s_t = s \max(0, 1 - t / T)

    t counts critic steps. Real and fake samples get noise of the same scale, in the critic's and in
    the generator's step; in evaluation mode nothing is added. In a tuple, the floating-point parts
    get noise, except conditions.

    Args:
        scale: s, in units of the samples.
        steps: T, the critic steps after which there is no noise.

    Raises:
        ValueError: If `scale` is negative or `steps` is below 1.

    Example:
        >>> import torch
        >>> critic = InstanceNoise(scale=0.1, steps=10).wrap(torch.nn.Linear(2, 1))
        >>> critic.deviation()
        tensor(0.1000)

    Reference:
        Sonderby et al. 2017, section on instance noise; analysed by Arjovsky and Bottou 2017,
        theorem 3.2.

    Deviations:
        None.
    """

    def __init__(self, scale: float = 0.1, steps: int = 10_000) -> None:
        super().__init__()
        self.scale = check_number("scale", scale, low=0)
        self.steps = int(check_number("steps", steps, low=1))

    def wrap(self, critic: nn.Module) -> nn.Module:
        return Noisy(critic, self.scale, self.steps, self.conditions)

    def after_step(self, critic: nn.Module) -> None:
        for module in critic.modules():
            if isinstance(module, Noisy):
                module.step.add_(1)


@final
class Noisy(nn.Module):
    """Score samples with Gaussian noise added while the critic trains.

    Args:
        critic: The critic of the noisy samples.
        scale: Standard deviation of the noise at the first step.
        steps: Steps after which there is no noise.
        conditions: The parts of a sample that get no noise.
    """

    step: Tensor
    # Each side's noise is drawn for the samples of that side in all processes.
    mixes_samples = True

    def __init__(
        self,
        critic: nn.Module,
        scale: float,
        steps: int,
        conditions: Conditions = NO_CONDITIONS,
    ) -> None:
        super().__init__()
        self.conditions = conditions
        self.critic = critic
        self.scale = scale
        self.steps = steps
        parameter = next(critic.parameters(), torch.empty(0))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64, device=parameter.device))

    def deviation(self) -> Tensor:
        """Return the standard deviation of the noise at this step, a scalar."""
        return self.scale * (1 - self.step / self.steps).clamp(min=0)

    def forward(self, *samples: Any, **named: Any) -> Any:
        """Score samples, (N, ...) each, with noise in training mode."""
        if not self.training:
            return self.critic(*samples, **named)
        samples = map_moving(self._noised, samples, conditions=self.conditions)
        named = map_moving(self._noised, named, conditions=self.conditions)
        return self.critic(*samples, **named)

    def _noised(self, x: Tensor) -> Tensor:
        return x + self.deviation().to(x.dtype) * distributed.randn(*x.shape, like=x)


def unwrapped(critic: nn.Module) -> nn.Module:
    """Return the critic without the noise module around it, if there is one."""
    while isinstance(critic, Noisy):
        critic = cast(nn.Module, critic.critic)
    return critic
