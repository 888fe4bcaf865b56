"""pix2pixHD: PatchGAN critics of an image at several scales."""

from typing import final

from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from advlearn.core.arguments import Count
from advlearn.nets.blocks.normed import CriticMaps
from advlearn.nets.network import Network, positive

KERNEL = 4
"""Side of every convolution."""

WIDEST = 8
"""Maximum number of channels, as a multiple of those of the first layer."""


@final
class MultiScalePatchCritic(Network):
    """Score the patches of an image at several scales, each with its own critic.

    The first critic reads the image, each further one the image at half the size of the last. A
    critic is a PatchGAN: `halvings` convolutions that halve the image, two that keep its size.

    Args:
        channels: Channels of the images, or of several stacked (see `ChannelConcatCritic`).
        scales: Number of critics.
        base_channels: Channels of the first layer of each; they double up to 8 times as many.
        halvings: Convolutions that halve the image.

    Raises:
        ValueError: If a size is below its least value; in `forward`, if the images have another
            number of channels or are too small for the scales.

    Example:
        >>> import torch
        >>> critic = MultiScalePatchCritic(3, scales=2, base_channels=2)
        >>> logits, maps = critic(torch.zeros(2, 3, 64, 64))
        >>> [tuple(scores.shape) for scores in logits], [len(layers) for layers in maps]
        ([(2, 1, 11, 11), (2, 1, 7, 7)], [4, 4])

    Reference: Wang et al., "High-Resolution Image Synthesis and Semantic Manipulation with
    Conditional GANs", 2018, section 3.2 (multi-scale discriminators) and the supplement's
    discriminator architectures; the published code for padding and poolings.

    Deviations: the maps do not contain the logits, which the published feature loss leaves out
    too; PyTorch's own initial weights.
    """

    def __init__(
        self, channels: Count = 3, scales: Count = 3, base_channels: Count = 64, halvings: Count = 3
    ) -> None:
        super().__init__()
        positive(channels=channels, scales=scales, base_channels=base_channels, halvings=halvings)
        self.channels = channels
        self.scales = scales
        self.base_channels = base_channels
        self.halvings = halvings
        self.critics = nn.ModuleList(
            _Patches(channels, base_channels, halvings) for _ in range(scales)
        )

    def forward(self, x: Tensor) -> CriticMaps:
        """Score images (N, channels, H, W).

        Returns:
            The logits of each scale, (N, 1, h, w), from the finest to the coarsest, and for each
            scale the maps of its inner layers.
        """
        least = 2 ** (self.scales - 1 + self.halvings)
        if x.ndim != 4 or x.shape[1] != self.channels or min(x.shape[2:]) < least:
            raise ValueError(
                f"x: expected images (N, {self.channels}, H, W) of at least {least} pixels a side, "
                f"got {tuple(x.shape)}"
            )
        logits, maps = list[Tensor](), list[list[Tensor]]()
        for k, critic in enumerate(self.critics):
            x = avg_pool2d(x, 3, 2, 1, count_include_pad=False) if k else x
            *layers, scores = critic(x)
            logits.append(scores)
            maps.append(layers)
        return logits, maps


@final
class _Patches(nn.Module):
    """Score the patches of an image at one scale."""

    def __init__(self, channels: Count, width: int, halvings: Count) -> None:
        super().__init__()
        widths = [width * min(2**k, WIDEST) for k in range(halvings + 1)]
        self.layers = nn.ModuleList()
        for k, after in enumerate(widths):
            before, stride = (widths[k - 1] if k else channels), (2 if k < halvings else 1)
            norm = [nn.InstanceNorm2d(after)] if k else []
            convolution = nn.Conv2d(before, after, KERNEL, stride, KERNEL // 2)
            self.layers.append(nn.Sequential(convolution, *norm, nn.LeakyReLU(0.2)))
        self.layers.append(nn.Conv2d(widths[-1], 1, KERNEL, 1, KERNEL // 2))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of all layers of images (N, C, H, W), the logits last."""
        maps: list[Tensor] = []
        for layer in self.layers:
            x = layer(x)
            maps.append(x)
        return maps
