"""Historical averaging: a penalty on the distance of parameters from their past mean."""

from typing import cast, final

import torch
from torch import Tensor, nn

from advlearn.core.checks import check_number
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Improved Techniques for Training GANs",
    "Salimans et al. 2016",
    "section 3.3",
    "https://arxiv.org/abs/1606.03498",
)


@final
class HistoricalAveraging(Regularizer):
    r"""Pull the critic's parameters towards the mean of all their past values.

    .. math:: R = w\,\|\phi - \frac{1}{t} \sum_{i=1}^t \phi_i\|_2^2

    The mean is kept in buffers, created in `wrap` from the initial values, so one object serves one
    critic. In a chain it follows regularizers that change the list of parameters
    (``bottleneck``, ``spectral_norm``).

    Args:
        weight: w.

    Raises:
        ValueError: If `weight` is negative or not finite; in `wrap`, if the object already has a
            critic; in `penalty`, if the critic's parameters are not those given to `wrap`.

    Example:
        >>> HistoricalAveraging()
        HistoricalAveraging(weight=0.001)

    Reference:
        Salimans et al. 2016, section 3.3.

    Deviations:
        Only the critic's parameters are penalised; the paper also penalises the generator's.
    """

    steps: Tensor

    def __init__(self, weight: float = 1e-3) -> None:
        super().__init__()
        self.weight = check_number("weight", weight, low=0)

    def wrap(self, critic: nn.Module) -> nn.Module:
        if hasattr(self, "steps"):
            raise ValueError(
                "critic: expected one critic for each HistoricalAveraging, got a second"
            )
        parameters = list(critic.parameters())
        for i, value in enumerate(parameters):
            self.register_buffer(f"mean_{i}", value.detach().clone())
        device = parameters[0].device if parameters else None
        self.register_buffer("steps", torch.ones((), device=device))
        return critic

    def penalty(self, batch: CriticBatch) -> Tensor:
        values, means = self._values_and_means(cast(nn.Module, batch.critic))
        gaps = torch._foreach_sub(values, means)  # pyright: ignore[reportPrivateImportUsage]
        return self.weight * torch.stack([gap.square().sum() for gap in gaps]).sum()

    def after_step(self, critic: nn.Module) -> None:
        values, means = self._values_and_means(critic)
        self.steps.add_(1)
        gaps = torch._foreach_sub(values, means)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_div_(gaps, self.steps)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(means, gaps)  # pyright: ignore[reportPrivateImportUsage]

    def _values_and_means(self, critic: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
        values: list[Tensor] = list(critic.parameters())
        means = [b for name, b in self.named_buffers() if name != "steps"]
        if not means or [v.shape for v in values] != [m.shape for m in means]:
            raise ValueError(
                f"critic: expected the {len(means)} parameters given to wrap, got {len(values)} "
                "others; put historical_averaging last"
            )
        return values, means
