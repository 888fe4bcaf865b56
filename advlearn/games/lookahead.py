"""Lookahead-minmax: average all sides with their weights of k steps before, at one moment."""

from typing import final

import torch

from advlearn.core.checks import check_count, check_number
from advlearn.core.described import Reference
from advlearn.core.game import Game, Side, Tensors

REFERENCE = Reference(
    "Taming GANs with Lookahead-Minmax",
    "Chavdarova et al. 2021",
    "algorithm 1",
    "https://arxiv.org/abs/2006.14567",
)


@final
class Lookahead(Game):
    r"""Average all sides with their weights of k steps before.

    .. math:: s \leftarrow s + \alpha\,(\omega_{t+k} - s), \qquad \omega_{t+k} \leftarrow s

    s holds the slow weights, those after the last average. All sides are averaged at one moment.
    Steps of single sides between joint steps belong to the cycle but are not counted in k.

    Args:
        *sides: Each critic's `Adversary`, and each optimizer of the model.
        k: Joint steps between two averages.
        alpha: Share of the new weights in an average, in (0, 1].

    Raises:
        ValueError: If `k` is not a whole number of at least 1, or `alpha` is out of range.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> game = Lookahead(torch.optim.SGD([weight], lr=0.1), k=2)
        >>> for _ in range(3):
        ...     weight.grad = torch.tensor([1.0])
        ...     game.step()
        ...     print(round(weight.item(), 4))
        0.9
        0.9
        0.8

    Reference:
        Chavdarova et al. 2021, algorithm 1.

    Deviations:
        `Adversary(ema=)` averages the weights of each step, before they are averaged here.
    """

    def __init__(self, *sides: Side, k: int = 5, alpha: float = 0.5) -> None:
        super().__init__(*sides)
        self.k = self.cycle = check_count("k", k)
        self.alpha = check_number("alpha", alpha, low=0, high=1, open_low=True)

    def before_step(self, i: int, values: Tensors) -> None:
        if not self.open[i]:
            torch._foreach_copy_(self.kept[i], values)  # pyright: ignore[reportPrivateImportUsage]
            self.open[i] = True

    def after_all(self, moving: dict[int, Tensors]) -> None:
        self.count += 1
        if self.count < self.k:
            return
        for i, values in moving.items():
            torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
                values, self.kept[i], 1 - self.alpha
            )
        self.count, self.open = 0, [False] * len(self.sides)
