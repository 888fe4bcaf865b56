"""Grouped convolutions whose gradients of any order take one kernel each."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from typing import Any, NamedTuple, cast, final

import torch
from torch import Tensor, nn
from torch.autograd import Function

Sides = int | tuple[int, int]
"""One number for height and width, or two."""

NO_OUTPUT_PADDING = (0, 0)


class Geometry(NamedTuple):
    """Hold what a convolution is besides its input and its weights.

    Args:
        stride: Stride by dimension.
        padding: Zeros on each side by dimension.
        dilation: Distance of two taps by dimension.
        groups: Groups of channels.
    """

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int


@final
class GroupedConv2d(nn.Conv2d):
    r"""Apply a 2-D convolution as `torch.nn.Conv2d` does, with a double backward of few kernels.

    PyTorch computes the gradient of a gradient penalty with respect to the weights of a grouped
    convolution group by group: one kernel for each of the groups. This layer writes the convolution
    as the trilinear form

    .. math:: T(x, w, g) = \langle g, w * x \rangle,

    whose derivatives with respect to two of its arguments are a convolution, a transposed
    convolution and a correlation. The derivatives of these are the same three operations, so that
    a gradient of any order takes one kernel for each.

    The weights and the saved state are those of `torch.nn.Conv2d`.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of the output.
        kernel_size: Sides of the kernel.
        stride: Stride.
        padding: Zeros on each side.
        dilation: Distance of two taps.
        groups: Groups of channels.
        bias: Whether a bias is added.

    Raises:
        ValueError: `padding` is a word.

    Example:
        >>> layer = GroupedConv2d(4, 4, 3, padding=1, groups=2)
        >>> layer(torch.zeros(2, 4, 5, 5)).shape
        torch.Size([2, 4, 5, 5])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sides,
        stride: Sides = 1,
        padding: Sides = 0,
        dilation: Sides = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        if isinstance(padding, str):
            raise ValueError(
                f"padding: expected a number or two, got {padding!r}; use torch.nn.Conv2d"
            )
        super().__init__(
            in_channels, out_channels, kernel_size, stride, padding, dilation, groups, bias
        )

    def forward(self, input: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, out_channels, H', W')."""
        x, weight = _in_autocast(input), _in_autocast(self.weight)
        padding = cast(tuple[int, ...], self.padding)
        geometry = Geometry(self.stride, padding, self.dilation, self.groups)
        y = cast(Tensor, _Convolution.apply(x, weight, geometry))
        return y if self.bias is None else y + self.bias.to(y.dtype)[:, None, None]


def _in_autocast(x: Tensor) -> Tensor:
    """Cast as autocast does for a convolution, which keeps double precision."""
    kind = x.device.type
    if x.dtype == torch.float64 or not torch.is_autocast_enabled(kind):
        return x
    return x.to(torch.get_autocast_dtype(kind))


def _gradient(
    g: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, mask: tuple[bool, bool]
) -> Tensor:
    """Return the gradient of a convolution with respect to its input or its weights."""
    found = torch.ops.aten.convolution_backward(
        *(g, x, weight, None, geometry.stride, geometry.padding, geometry.dilation),
        *(False, NO_OUTPUT_PADDING, geometry.groups, [*mask, False]),
    )
    return found[0] if mask[0] else found[1]


def _only_shape(shape: torch.Size, like: Tensor) -> Tensor:
    """Return a tensor of which only the shape is used."""
    return like.new_empty(1).expand(shape)


def _is_asked(ctx: Any, k: int) -> bool:
    """Return whether this backward pass needs the gradient of an argument.

    ``needs_input_grad`` is true of weights also where only the gradient of the input is asked for,
    as by a penalty, which would compute one of the two kernels for nothing.
    """
    if not ctx.needs_input_grad[k]:
        return False
    # Within transformations of functions there is no node to look at, and compiled code takes the
    # gradients that it was compiled for.
    if torch.compiler.is_compiling() or not hasattr(ctx, "next_functions"):
        return True
    try:
        return torch._C._will_engine_execute_node(ctx.next_functions[k][0])
    except RuntimeError:
        # A leaf whose gradient `torch.autograd.grad` returns.
        return True


class _Convolution(Function):
    """Compute w * x."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        return torch.ops.aten.convolution(
            *(x, weight, None, geometry.stride, geometry.padding, geometry.dilation),
            *(False, NO_OUTPUT_PADDING, geometry.groups),
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, ctx.geometry = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (g,), (x, weight) = gradients, ctx.saved_tensors
        to_input, to_weight = (_is_asked(ctx, k) for k in range(2))
        return (
            _Transposed.apply(g, weight, x.shape, ctx.geometry) if to_input else None,
            _Correlation.apply(x, g, weight.shape, ctx.geometry) if to_weight else None,
            None,
        )


class _Transposed(Function):
    """Compute the gradient of <g, w * x> with respect to x."""

    @staticmethod
    def forward(g: Tensor, weight: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        return _gradient(g, _only_shape(shape, g), weight, geometry, (True, False))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        g, weight, _, ctx.geometry = inputs
        ctx.save_for_backward(g, weight)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (v,), (g, weight) = gradients, ctx.saved_tensors
        to_output, to_weight = (_is_asked(ctx, k) for k in range(2))
        return (
            _Convolution.apply(v, weight, ctx.geometry) if to_output else None,
            _Correlation.apply(v, g, weight.shape, ctx.geometry) if to_weight else None,
            *(None, None),
        )


class _Correlation(Function):
    """Compute the gradient of <g, w * x> with respect to w."""

    @staticmethod
    def forward(x: Tensor, g: Tensor, shape: torch.Size, geometry: Geometry) -> Tensor:
        return _gradient(g, x, _only_shape(shape, g), geometry, (False, True))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, g, _, ctx.geometry = inputs
        ctx.save_for_backward(x, g)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Any, ...]:
        (v,), (x, g) = gradients, ctx.saved_tensors
        to_input, to_output = (_is_asked(ctx, k) for k in range(2))
        return (
            _Transposed.apply(g, v, x.shape, ctx.geometry) if to_input else None,
            _Convolution.apply(x, v, ctx.geometry) if to_output else None,
            *(None, None),
        )
