"""Layers of progressive growing: equalized learning rate, pixel norm, minibatch deviation."""

from typing import ClassVar, TypeVar, final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from advlearn.core.arguments import Positive, checked

GAIN = 2**0.5
"""Gain of a layer before a rectifier (He et al. 2015)."""

EPS = 1e-8

Layer = TypeVar("Layer", nn.Linear, nn.Conv2d)


@final
class EqualizedScale(nn.Module):
    r"""Multiply the stored weights of a layer by a constant when they are used.

    Args:
        scale: The constant.

    Example:
        >>> EqualizedScale(0.5)(torch.ones(2))
        tensor([0.5000, 0.5000])
    """

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, weight: Tensor) -> Tensor:
        """Return the scaled weights."""
        return weight * self.scale


@checked
def equalized_lr(layer: Layer, gain: Positive = GAIN, rate: Positive = 1.0) -> Layer:
    r"""Equalize a layer's learning rate: store unit-variance weights and scale them when used.

    .. math:: \hat w = \frac{g\,\eta}{\sqrt{n}}\,w, \qquad w_0 \sim N(0, \eta^{-2}), \qquad b_0 = 0

    n is the number of inputs of one output. Adam divides its steps by the size of the gradient, so
    it moves every stored weight by about the same amount. With the constant, the relative change of
    the weights is the same in all layers.

    Args:
        layer: A linear or convolution layer; changed in place.
        gain: g; `GAIN` before a rectifier, 1 where none follows.
        rate: eta, a factor of the layer's learning rate.

    Returns:
        The layer.

    Example:
        >>> layer = equalized_lr(nn.Linear(400, 300), gain=1.0)
        >>> (
        ...     layer.parametrizations.weight.original.detach().std().round(decimals=1),
        ...     layer.weight.std().item() < 0.06,
        ... )
        (tensor(1.), True)

    Reference: Karras et al. 2018, section 4.1; Karras et al., "A Style-Based Generator Architecture
        for Generative Adversarial Networks", 2019, appendix C for `rate`.

    Deviations: `rate` acts on the weights, not on the bias.
    """
    inputs = layer.weight[0].numel()
    nn.init.normal_(layer.weight, std=1 / rate)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    parametrize.register_parametrization(layer, "weight", EqualizedScale(gain * rate / inputs**0.5))
    return layer


@final
class PixelNorm(nn.Module):
    r"""Scale the features of each position to a mean square of one.

    .. math:: b_{xy} = a_{xy} \Big/ \sqrt{\tfrac{1}{C} \sum_c (a^c_{xy})^2 + \epsilon}

    Example:
        >>> PixelNorm()(torch.tensor([[3.0, 4.0]])).square().mean()
        tensor(1.)

    Reference: Karras et al. 2018, section 4.2.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Normalise vectors (N, C) or feature maps (N, C, H, W); same shape."""
        return x * (x.square().mean(1, keepdim=True) + EPS).rsqrt()


@final
class MinibatchDeviation(nn.Module):
    r"""Append the batch's standard deviation as a channel, from which a critic detects collapse.

    .. math:: s = \tfrac{1}{CHW} \sum_{c,x,y} \sqrt{Var_i[x_i^{cxy}] + \epsilon}

    A score then depends on the whole batch, so an adversary scores real and fake samples in two
    batches.

    Example:
        >>> MinibatchDeviation()(torch.zeros(4, 8, 2, 2)).shape
        torch.Size([4, 9, 2, 2])

    Reference: Karras et al. 2018, section 3.

    Deviations: with several processes each uses the deviation of its part of the batch.
    """

    mixes_samples: ClassVar[bool] = True

    def forward(self, x: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) to (N, C + 1, H, W)."""
        deviation = (x.var(0, correction=0) + EPS).sqrt().mean()
        return torch.cat([x, deviation.expand(len(x), 1, *x.shape[2:])], 1)
