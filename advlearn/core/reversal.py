"""Gradient reversal: the same numbers forward, the opposite gradient backward."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import Any, cast

import torch
from torch import Tensor

from advlearn.core.contest import Samples


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * grads[0], None


def reverse(samples: Samples, strength: float = 1.0) -> Samples:
    """Pass samples on as they are, and their gradient back times ``-strength``.

    Args:
        samples: A tensor (N, ...) or a tuple of them; parts of integers have no gradient to reverse.
        strength: A number of any sign; 0 cuts the gradient.

    Returns:
        The same values.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> reverse(x, 0.5).sum().backward()
        >>> x.grad
        tensor([-0.5000, -0.5000])

    Reference:
        Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", 2015, eq. 7 and 8.
    """
    if isinstance(samples, tuple):
        return tuple(_reversed(part, strength) for part in samples)
    return _reversed(samples, strength)


def _reversed(part: Tensor, strength: float) -> Tensor:
    return cast(Tensor, _Reversal.apply(part, strength)) if part.is_floating_point() else part
