"""Weight clipping, the Lipschitz constraint of the original WGAN."""

from typing import final

import torch
from torch import nn

from advlearn.core import stacked
from advlearn.core.checks import check_number
from advlearn.core.described import Reference
from advlearn.core.regularizer import Regularizer

REFERENCE = Reference(
    "Wasserstein GAN",
    "Arjovsky et al. 2017",
    "algorithm 1, line 7",
    "https://arxiv.org/abs/1701.07875",
)


@final
class WeightClipping(Regularizer):
    r"""Clip every parameter of the critic to a box after each step.

    .. math:: \phi \leftarrow clip(\phi, -c, c)

    Its authors advise against it: the critic learns very simple functions, and gradients vanish or
    explode with depth. Use ``gradient_penalty`` or ``spectral_norm``.

    Args:
        limit: c.

    Raises:
        ValueError: If `limit` is not positive and finite.

    Example:
        >>> WeightClipping()
        WeightClipping(limit=0.01)

    Reference:
        Arjovsky et al. 2017, algorithm 1, line 7.

    Deviations:
        None.
    """

    def __init__(self, limit: float = 0.01) -> None:
        super().__init__()
        self.limit = check_number("limit", limit, low=0, open_low=True)

    def after_step(self, critic: nn.Module) -> None:
        held = list(map(stacked.held, critic.parameters()))
        with stacked.outside():
            parameters = [p.data for p in held]
            torch._foreach_clamp_min_(parameters, -self.limit)  # pyright: ignore[reportPrivateImportUsage]
            torch._foreach_clamp_max_(parameters, self.limit)  # pyright: ignore[reportPrivateImportUsage]
