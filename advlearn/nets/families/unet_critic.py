"""U-Net critic: a logit for every pixel of an image."""

from typing import final

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu

from advlearn.core.arguments import Count
from advlearn.nets.blocks.normed import WeightNorm, check_norm, normed
from advlearn.nets.network import Network, positive

SLOPE = 0.2
"""Slope of the leaky ReLU."""

DEPTH = 3
"""Number of halvings of the image."""


@final
class UNetCritic(Network):
    """Score every pixel of an image, by an encoder and a decoder with shortcuts.

    Three convolutions halve the image and double the channels; three bilinear enlargements with a
    convolution undo it, and the encoder's map of that size is added. Three convolutions follow.

    Args:
        channels: Channels of the images.
        base_channels: Channels at full resolution; the narrowest map has 8 times as many.
        norm: ``"spectral"``, ``"weight"`` or ``"none"``: norm of the weights of the inner layers.

    Raises:
        ValueError: If a size is below its least value or `norm` is unknown; in `forward`, if the
            images have another number of channels, or sides that 8 does not divide.

    Example:
        >>> import torch
        >>> UNetCritic(1, base_channels=4)(torch.zeros(2, 1, 16, 24)).shape
        torch.Size([2, 1, 16, 24])

    Reference: Wang et al., "Real-ESRGAN: Training Real-World Blind Super-Resolution with Pure
    Synthetic Data", 2021, section 3.3 and figure 6; after Schonfeld et al., "A U-Net Based
    Discriminator for Generative Adversarial Networks", 2020, section 3.1.

    Deviations: of Real-ESRGAN none; the default has its 4,376,897 parameters. Schonfeld's critic
    also scores the whole image from the encoder's end; this one has logits per pixel only.
    """

    def __init__(
        self, channels: Count = 3, base_channels: Count = 64, norm: WeightNorm = "spectral"
    ) -> None:
        super().__init__()
        positive(channels=channels, base_channels=base_channels)
        check_norm(norm)
        self.channels = channels
        self.base_channels = base_channels
        self.norm: WeightNorm = norm
        widths = [base_channels * 2**k for k in range(DEPTH + 1)]
        self.first = nn.Conv2d(channels, base_channels, 3, 1, 1)
        self.down = nn.ModuleList(
            normed(nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), norm) for width in widths[:-1]
        )
        self.up = nn.ModuleList(
            normed(nn.Conv2d(2 * width, width, 3, 1, 1, bias=False), norm)
            for width in reversed(widths[:-1])
        )
        self.after = nn.ModuleList(
            normed(nn.Conv2d(base_channels, base_channels, 3, 1, 1, bias=False), norm)
            for _ in range(2)
        )
        self.last = nn.Conv2d(base_channels, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Score images (N, channels, H, W): logits (N, 1, H, W)."""
        if x.ndim != 4 or x.shape[1] != self.channels or any(s % 2**DEPTH for s in x.shape[2:]):
            raise ValueError(
                f"x: expected images (N, {self.channels}, H, W) with H and W multiples of "
                f"{2**DEPTH}, got {tuple(x.shape)}"
            )
        h = leaky_relu(self.first(x), SLOPE)
        shortcuts: list[Tensor] = []
        for layer in self.down:
            shortcuts.append(h)
            h = leaky_relu(layer(h), SLOPE)
        for layer, shortcut in zip(self.up, reversed(shortcuts), strict=True):
            h = interpolate(h, scale_factor=2, mode="bilinear", align_corners=False)
            h = leaky_relu(layer(h), SLOPE) + shortcut
        for layer in self.after:
            h = leaky_relu(layer(h), SLOPE)
        return self.last(h)
