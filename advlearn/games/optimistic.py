"""Optimistic updates: twice the present update of an optimizer, less the previous one."""

from typing import final

import torch
from torch import Tensor

from advlearn.core.described import Reference
from advlearn.core.game import Game, Side, Tensors

REFERENCE = Reference(
    "Training GANs with Optimism",
    "Daskalakis et al. 2018",
    "eq. 5 and 6, algorithm 1",
    "https://arxiv.org/abs/1711.00141",
)


@final
class Optimistic(Game):
    r"""Take twice the present update of each optimizer, less the previous one.

    .. math:: \omega_{t+1} = \omega_t + 2 u_t - u_{t-1}, \qquad u_{-1} = 0

    u is the change that the optimizer makes: :math:`u_t = -\eta F(\omega_t)` with SGD gives
    optimistic mirror descent, and with Adam it gives Optimistic Adam. One gradient of each side is
    enough for an update. It is also extrapolation from the past (Gidel et al. 2019): the weights
    are the extrapolated ones.

    Args:
        *sides: Each critic's `Adversary`, and each optimizer of the model.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.tensor([1.0]))
        >>> game = Optimistic(torch.optim.SGD([weight], lr=0.1))
        >>> for gradient in (1.0, 1.0, 0.0):
        ...     weight.grad = torch.tensor([gradient])
        ...     game.step()
        ...     print(round(weight.item(), 4))
        0.8
        0.7
        0.8

    Reference:
        Daskalakis et al. 2018, eq. 5 and 6 (optimistic mirror descent), algorithm 1 (Optimistic
        Adam).
    """

    def __init__(self, *sides: Side) -> None:
        super().__init__(*sides)
        self.start: list[Tensors] = [[] for _ in sides]

    def initial(self, value: Tensor) -> Tensor:
        return torch.zeros_like(value)

    def before_step(self, i: int, values: Tensors) -> None:
        start = self.start[i]
        start += [torch.empty_like(value) for value in values[len(start) :]]
        torch._foreach_copy_(start, values)  # pyright: ignore[reportPrivateImportUsage]

    def after_step(self, i: int, values: Tensors) -> None:
        update, previous = self.start[i], self.kept[i]
        torch._foreach_neg_(update)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(update, values)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_add_(values, update)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_sub_(values, previous)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_copy_(previous, update)  # pyright: ignore[reportPrivateImportUsage]
