"""Instance noise: both sides blurred alike, so that their supports meet, less as training goes on."""

from typing import cast, final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Amortised MAP Inference for Image Super-resolution",
    "Sonderby et al. 2017",
    "section 'Instance noise'",
    "https://arxiv.org/abs/1610.04490",
)


@final
class InstanceNoise(Regularizer):
    r"""Add Gaussian noise to what the critic sees in training, annealed linearly to none.

    .. math:: D_t(x) = D(x + s_t\,\epsilon), \qquad \epsilon \sim N(0, I), \qquad s_t = s \max(0, 1 - t / T)

    t counts critic steps. Real and fake samples are noised alike, in the critic's and in the
    player's step; in evaluation mode nothing is added. Of a tuple, the floating-point parts are
    noised.

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
        return Noisy(critic, self.scale, self.steps)

    def after_step(self, critic: nn.Module) -> None:
        for module in critic.modules():
            if isinstance(module, Noisy):
                module.step.add_(1)


@final
class Noisy(nn.Module):
    """A critic that sees its samples through noise while it trains.

    Args:
        critic: The critic; samples are passed on to it as they come.
        scale: Standard deviation of the noise at the first step.
        steps: Steps after which there is no noise.
    """

    step: Tensor
    # Samples do not meet here, but the noise of each side is drawn for that side of all processes.
    mixes_samples = True

    def __init__(self, critic: nn.Module, scale: float, steps: int) -> None:
        super().__init__()
        self.critic = critic
        self.scale = scale
        self.steps = steps
        parameter = next(critic.parameters(), torch.empty(0))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64, device=parameter.device))

    def deviation(self) -> Tensor:
        """Standard deviation of the noise at this step, a scalar."""
        return self.scale * (1 - self.step / self.steps).clamp(min=0)

    def forward(self, *samples: Tensor) -> Tensor:
        """Score samples, (N, ...) each, through noise in training mode."""
        return self.critic(*(map(self._noised, samples) if self.training else samples))

    def _noised(self, x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        return x + self.deviation().to(x.dtype) * distributed.randn(*x.shape, like=x)


def unwrapped(critic: nn.Module) -> nn.Module:
    """The critic under any noise, with the methods its author gave it."""
    while isinstance(critic, Noisy):
        critic = cast(nn.Module, critic.critic)
    return critic
