"""Critics of several inputs, which are concatenated or multiplied."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import checked
from advlearn.nets.network import one_hot


@checked
@final
class ConcatCritic(nn.Module):
    """Concatenate all parts of a sample and score the result; integers become one-hot vectors.

    Args:
        net: Module that scores vectors.
        classes: Number of classes of each part of integers, in order.
        scale: Length of the one-hot vectors.

    Example:
        >>> ConcatCritic(nn.Identity(), classes=(2,))(
        ...     torch.zeros(4, 3), torch.tensor([0, 1, 1, 0])
        ... ).shape
        torch.Size([4, 5])
    """

    def __init__(self, net: nn.Module, classes: Sequence[int] = (), scale: float = 2.0) -> None:
        super().__init__()
        self.net = net
        self.classes = tuple(classes)
        self.scale = scale

    def forward(self, *parts: Tensor) -> Tensor:
        """Score samples whose parts are `parts`: floats (N, ...) or (N,), integers (N,)."""
        numbers = next(part for part in parts if part.is_floating_point())
        sizes, vectors = iter(self.classes), list[Tensor]()
        for part in parts:
            if part.is_floating_point():
                vectors.append(part.reshape(len(part), -1))
            else:
                vectors.append(self.scale * one_hot(part, next(sizes), numbers))
        return self.net(torch.cat(vectors, 1))


@checked
@final
class MultilinearMap(nn.Module):
    r"""Score the outer product of features and predictions.

    .. math:: s(h, p) = net(h \otimes p)

    Args:
        net: Module that scores vectors of size d * K.

    Example:
        >>> MultilinearMap(nn.Flatten())(torch.zeros(4, 3), torch.zeros(4, 2)).shape
        torch.Size([4, 6])

    Reference: Long et al., "Conditional Adversarial Domain Adaptation", 2018, eq. 5.

    Deviations: no random projection where d * K is large (eq. 6).
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, h: Tensor, p: Tensor) -> Tensor:
        """Score features `h` (N, ...) with predictions `p` (N, K)."""
        return self.net(torch.einsum("nd,nk->ndk", h.flatten(1), p).flatten(1))
