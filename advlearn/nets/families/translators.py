"""Residual image-to-image generators of CycleGAN and SRGAN."""

from typing import final

from torch import Tensor, nn
from torch.nn.functional import interpolate

from advlearn.core.arguments import Count, ImageShape
from advlearn.nets.network import Network, check_shape, positive, sizes


@final
class ResidualTranslator(Network):
    """Translate images with two downsampling convolutions, residual blocks and two upsamplings.

    Args:
        shape: Shape (C, H, W) of the input, from 8 pixels a side.
        channels: Channels of the output.
        base_channels: Channels at full resolution; doubled with each halving.
        blocks: Residual blocks in the middle.
        tanh_output: End in tanh, for data in [-1, 1].

    Raises:
        ValueError: A size below its minimum; in `forward` images of another shape.

    Example:
        >>> import torch
        >>> ResidualTranslator((1, 28, 28), 3, base_channels=4, blocks=1)(
        ...     torch.zeros(2, 1, 28, 28)
        ... ).shape
        torch.Size([2, 3, 28, 28])

    Reference: Zhu et al., "Unpaired Image-to-Image Translation using Cycle-Consistent Adversarial
        Networks", 2017, appendix 7.2 (generator architectures); Johnson et al., "Perceptual Losses
        for Real-Time Style Transfer", 2016.

    Deviations: PyTorch's default initial weights.
    """

    def __init__(
        self,
        shape: ImageShape,
        channels: Count,
        base_channels: Count = 64,
        blocks: Count = 6,
        tanh_output: bool = True,
    ) -> None:
        super().__init__()
        positive(channels=channels, base_channels=base_channels, blocks=blocks)
        self.shape = sizes("shape", shape)
        self.channels = channels
        self.base_channels = base_channels
        self.blocks = blocks
        self.tanh_output = tanh_output
        if len(self.shape) != 3 or min(self.shape[1:]) < 8:
            raise ValueError(
                f"shape: expected (C, H, W) of at least 8 pixels a side, got {self.shape}"
            )
        self.first = nn.Sequential(
            nn.Conv2d(self.shape[0], base_channels, 7, 1, 3, padding_mode="reflect"),
            *_after(base_channels),
        )
        self.down = nn.Sequential(*_halving(base_channels), *_halving(2 * base_channels))
        self.middle = nn.Sequential(*(_TranslatorBlock(4 * base_channels) for _ in range(blocks)))
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(k * base_channels, k * base_channels // 2, 3, 2, 1) for k in (4, 2)
        )
        self.after = nn.ModuleList(nn.Sequential(*_after(k * base_channels)) for k in (2, 1))
        self.last = nn.Conv2d(base_channels, channels, 7, 1, 3, padding_mode="reflect")
        self.output = nn.Tanh() if tanh_output else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to images (N, channels, H, W)."""
        check_shape("x", x, self.shape)
        h = self.middle(self.down(self.first(x)))
        height, width = x.shape[2:]
        for k, (up, after) in enumerate(zip(self.up, self.after, strict=True)):
            # Restore the sides before the halving, which may be odd.
            size = [height, width] if k else [(height + 1) // 2, (width + 1) // 2]
            h = after(up(h, output_size=size))
        return self.output(self.last(h))


@final
class SRGANGenerator(Network):
    """Upscale images with residual blocks and pixel shuffles, added to the bicubic enlargement.

    Args:
        shape: Shape (C, H, W) of the small image.
        channels: Channels of the large one.
        factor: Factor of each side, a power of two.
        base_channels: Channels of the features.
        blocks: Residual blocks.

    Raises:
        ValueError: A size below its minimum, or a factor that is not a power of two; in `forward`
            images of another shape.

    Example:
        >>> import torch
        >>> SRGANGenerator((3, 8, 8), 3, base_channels=4, blocks=1)(torch.zeros(2, 3, 8, 8)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Ledig et al., "Photo-Realistic Single Image Super-Resolution Using a Generative
        Adversarial Network", 2017, section 2.1.1 and figure 4.

    Deviations: no batch norm, which changes contrast and depends on the number of processes; if
        input and output have equal channels, the output is added to the bicubic enlargement of the
        input, and the last layer starts at zero; no tanh; the last kernel is 3 wide instead of 9.
    """

    def __init__(
        self,
        shape: ImageShape,
        channels: Count,
        factor: Count = 4,
        base_channels: Count = 64,
        blocks: Count = 16,
    ) -> None:
        super().__init__()
        positive(channels=channels, factor=factor, base_channels=base_channels, blocks=blocks)
        if factor & (factor - 1) or factor < 2:
            raise ValueError(f"factor: expected a power of two from 2, got {factor}")
        self.shape = sizes("shape", shape)
        self.channels = channels
        self.factor = factor
        self.base_channels = base_channels
        self.blocks = blocks
        if len(self.shape) != 3:
            raise ValueError(f"shape: expected (C, H, W), got {self.shape}")
        self.first = nn.Sequential(nn.Conv2d(self.shape[0], base_channels, 9, 1, 4), nn.PReLU())
        self.middle = nn.Sequential(
            *(_ShuffleBlock(base_channels) for _ in range(blocks)),
            nn.Conv2d(base_channels, base_channels, 3, 1, 1),
        )
        self.up = nn.Sequential()
        for _ in range(factor.bit_length() - 1):
            self.up.extend(
                [
                    nn.Conv2d(base_channels, 4 * base_channels, 3, 1, 1),
                    nn.PixelShuffle(2),
                    nn.PReLU(),
                ]
            )
        self.last = nn.Conv2d(base_channels, channels, 3, 1, 1)
        if channels == self.shape[0]:
            for p in self.last.parameters():
                nn.init.zeros_(p)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to images (N, channels, factor * H, factor * W)."""
        check_shape("x", x, self.shape)
        h = self.first(x)
        detail = self.last(self.up(h + self.middle(h)))
        return detail + enlarged(x, self.factor) if self.channels == self.shape[0] else detail


def enlarged(images: Tensor, factor: int) -> Tensor:
    """Enlarge images (N, C, H, W) by `factor` with bicubic interpolation.

    Example:
        >>> import torch
        >>> enlarged(torch.zeros(2, 3, 8, 8), 4).shape
        torch.Size([2, 3, 32, 32])
    """
    return interpolate(images, scale_factor=factor, mode="bicubic")


class _TranslatorBlock(nn.Module):
    """Add two convolutions with reflection padding and instance norm to the input."""

    def __init__(self, base_channels: Count) -> None:
        super().__init__()
        first, second = (
            nn.Conv2d(base_channels, base_channels, 3, 1, 1, padding_mode="reflect")
            for _ in range(2)
        )
        self.layers = nn.Sequential(
            first, *_after(base_channels), second, nn.InstanceNorm2d(base_channels, affine=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map feature maps to the same shape."""
        return x + self.layers(x)


class _ShuffleBlock(nn.Module):
    """Add two convolutions without norm to the input."""

    def __init__(self, base_channels: Count) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(base_channels, base_channels, 3, 1, 1),
            nn.PReLU(),
            nn.Conv2d(base_channels, base_channels, 3, 1, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map feature maps to the same shape."""
        return x + self.layers(x)


def _halving(base_channels: int) -> list[nn.Module]:
    return [nn.Conv2d(base_channels, 2 * base_channels, 3, 2, 1), *_after(2 * base_channels)]


def _after(base_channels: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(base_channels, affine=True), nn.ReLU()]
