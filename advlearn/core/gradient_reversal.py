"""Gradient reversal: the identity in the forward pass, a negated gradient in the backward pass."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import Any, cast

import torch
from torch import Tensor

from advlearn.core import stacked
from advlearn.core.samples import Samples, map_tensors


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor | float) -> Tensor:
        ctx.scale = scale
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return -ctx.scale * grads[0], None


def reverse_gradient(samples: Samples, scale: Tensor | float = 1.0) -> Samples:
    """Return the samples; the backward pass multiplies their gradient by ``-scale``.

    Args:
        samples: A tensor (N, ...), or a tuple, list or dict of them; tensors of integers have no
            gradient to reverse.
        scale: A number of any sign, or a scalar without gradient; 0 cuts the gradient.

    Returns:
        The same values.

    Example:
        >>> x = torch.ones(2, requires_grad=True)
        >>> reverse_gradient(x, 0.5).sum().backward()
        >>> x.grad
        tensor([-0.5000, -0.5000])

    Reference:
        Ganin and Lempitsky, "Unsupervised Domain Adaptation by Backpropagation", 2015, eq. 7 and 8.
    """

    def reverse(part: Tensor) -> Tensor:
        return _reversed(part, scale)

    return map_tensors(reverse, samples)


def _reversed(part: Tensor, scale: Tensor | float) -> Tensor:
    if not part.is_floating_point():
        return part
    if not stacked.is_open():
        return cast(Tensor, _Reversal.apply(part, scale))
    values = stacked.of_all(part)
    with stacked.outside():
        return stacked.of_member(cast(Tensor, _Reversal.apply(values, scale)))
