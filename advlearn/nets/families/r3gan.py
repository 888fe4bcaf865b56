"""R3GAN: residual networks without normalisation, with grouped convolutions."""

from itertools import pairwise
from math import gcd, prod
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, leaky_relu

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.conditional import ProjectionHead, class_indicators
from advlearn.nets.blocks.grouped import GroupedConv2d
from advlearn.nets.blocks.residual import SIDES, grids
from advlearn.nets.blocks.resolution import edges_repeated
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    embedding,
    join,
    positive,
    sizes,
    squeeze_score,
)

SLOPE = 0.2
GAIN = (2 / (1 + SLOPE**2)) ** 0.5
"""Gain that keeps the variance through a leaky ReLU."""
EXPANSION = 2
"""Ratio of the channels inside a block to those outside (inverted bottleneck)."""
WIDEST = 8
"""Maximum number of channels, as a multiple of `base_channels` (Huang et al. 2024)."""
GROUP = 16
"""Channels per group of the 3 x 3 convolution."""
SMALL = 1e-3
"""Initial scale of a block's last weights."""


@final
class InvertedBlock(nn.Module):
    r"""Apply an inverted residual block: 1 x 1, grouped 3 x 3, 1 x 1, initially near the identity.

    .. math:: y = x + W_3 \rho(W_2 \rho(W_1 x + b_1) + b_2)

    Args:
        channels: Channels of the grid.
        depth: Residual blocks of the whole network; the initial weights are divided by its fourth
            root.

    Example:
        >>> InvertedBlock(8, depth=4)(torch.randn(2, 8, 4, 4)).shape
        torch.Size([2, 8, 4, 4])

    Reference: Huang et al. 2024, section 3.2 and figure 4; Zhang, Dauphin, Ma, "Fixup
        Initialization", 2019, for the scale.

    Deviations: the last weights start at a thousandth of their usual scale instead of zero, by
        which ``spectral_norm`` cannot divide.
    """

    def __init__(self, channels: Count, depth: Count) -> None:
        super().__init__()
        positive(channels=channels, depth=depth)
        inner = EXPANSION * channels
        self.conv1 = nn.Conv2d(channels, inner, 1)
        self.conv2 = GroupedConv2d(
            inner, inner, 3, padding=1, groups=gcd(inner, max(1, inner // GROUP))
        )
        self.conv3 = nn.Conv2d(inner, channels, 1, bias=False)
        for layer, gain in (
            (self.conv1, depth**-0.25),
            (self.conv2, depth**-0.25),
            (self.conv3, SMALL),
        ):
            _initialise(layer, GAIN * gain)

    def forward(self, x: Tensor) -> Tensor:
        """Map grids (N, channels, H, W) to grids of the same shape."""
        return x + self.conv3(leaky_relu(self.conv2(leaky_relu(self.conv1(x), SLOPE)), SLOPE))


@final
class R3GANGenerator(Network):
    """Generate images from a learned small feature map and residual blocks.

    Args:
        latent: Size of the latent vector.
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        base_channels: Channels at full resolution (96 in the paper), doubled with each halving up
            to eight times as many.
        classes: Number of classes; 0 for an unconditional generator, else an embedding of
            the class is concatenated to the latent.
        tanh_output: End in tanh, for data in [-1, 1].
        blocks: Residual blocks at each resolution.

    Raises:
        ValueError: A shape that does not fit; in `forward` latents of another size, or classes
            missing.

    Example:
        >>> R3GANGenerator(16, (3, 32, 32), base_channels=2)(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Huang, Gokaslan, Kuleshov, Tompkin, "The GAN is dead; long live the GAN! A Modern GAN
        Baseline", 2024, section 3 and figure 4.

    Deviations: those of `InvertedBlock`; the output ends in tanh; channels double with each halving
        for all image sizes, while the paper's networks for 32 and 64 pixels have equal channels
        throughout, which costs more.
    """

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
        blocks: Count = 2,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels, blocks=blocks)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        self.blocks = blocks
        start, channels = grids(self.shape)[0], channels_of(self.shape, base_channels)
        depth = blocks * len(channels)
        self.embedding = embedding(classes)
        self.weigh = nn.Linear(latent + (EMBEDDING if classes else 0), channels[0], bias=False)
        self.basis = nn.Parameter(torch.randn(channels[0], start, start))
        self.layers = nn.Sequential(*_blocks(channels[0], blocks, depth))
        for before, after in pairwise(channels):
            self.layers.extend([_widened(before, after), Doubled(), *_blocks(after, blocks, depth)])
        self.last = nn.Conv2d(channels[-1], self.shape[0], 1, bias=False)
        self.output = nn.Tanh() if tanh_output else nn.Identity()
        _initialise(self.weigh)
        _initialise(self.last)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        check_shape("z", z, (self.latent,))
        grid = self.basis * self.weigh(join(z, y, self.embedding))[:, :, None, None]
        return self.output(self.last(self.layers(grid)))


@final
class R3GANCritic(Network):
    """Score images with a mirror image of the generator, then with a weight per position.

    With classes, the scores are conditional by projection.

    Args:
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        out_features: Scores per sample.
        base_channels: Channels at full resolution (96 in the paper), doubled with each halving up
            to eight times as many.
        classes: Number of classes; 0 for an unconditional critic.
        blocks: Residual blocks at each resolution.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> R3GANCritic((1, 28, 28), base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])

    Reference: Huang et al. 2024, section 3 and figure 4; Miyato and Koyama 2018 for the classes.

    Deviations: those of `InvertedBlock` and `R3GANGenerator`; a score has an unconditional part in
        addition to the projection.
    """

    def __init__(
        self,
        shape: ImageShape,
        out_features: int = 1,
        base_channels: Count = 64,
        classes: Natural = 0,
        blocks: Count = 2,
    ) -> None:
        super().__init__()
        positive(out_features=out_features, base_channels=base_channels, blocks=blocks)
        self.shape = sizes("shape", shape)
        self.out_features = out_features
        self.base_channels = base_channels
        self.classes = classes
        self.blocks = blocks
        end, channels = grids(self.shape)[0], channels_of(self.shape, base_channels)[::-1]
        depth, last = blocks * len(channels), channels[-1]
        self.first = nn.Conv2d(self.shape[0], channels[0], 1, bias=False)
        self.layers = nn.Sequential(*_blocks(channels[0], blocks, depth))
        for before, after in pairwise(channels):
            self.layers.extend([Halved(), _widened(before, after), *_blocks(after, blocks, depth)])
        self.places = GroupedConv2d(last, last, end, groups=last, bias=False)
        self.head = ProjectionHead(last, out_features, classes)
        _initialise(self.first)
        _initialise(self.places)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N,) for one score per sample, else (N, out_features)."""
        check_shape("x", x, self.shape)
        h = self.places(self.layers(self.first(x))).flatten(1)
        return squeeze_score(self.head(h, class_indicators(y, self.classes, like=h)))


@final
class Doubled(nn.Module):
    """Upsample a feature map to twice its sides by bilinear interpolation.

    Example:
        >>> Doubled()(torch.tensor([[[[0.0, 4.0]]]]))[0, 0, 0]
        tensor([0., 1., 3., 4.])
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) to (N, C, 2H, 2W)."""
        return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


@final
class Halved(nn.Module):
    """Downsample a feature map to half its sides with a (1, 3, 3, 1) / 8 blur.

    Example:
        >>> Halved()(torch.arange(8.0).expand(1, 1, 8, 8))[0, 0, 1]
        tensor([0.6250, 2.5000, 4.5000, 6.3750])
    """

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("weight", torch.outer(line, line)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) of even sides to (N, C, H/2, W/2)."""
        weight = self.weight.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return conv2d(edges_repeated(x), weight, stride=2, groups=x.shape[1])


def channels_of(shape: tuple[int, ...], base_channels: int) -> list[int]:
    """Return the channels of the feature maps from the smallest to the image.

    Example:
        >>> channels_of((3, 32, 32), 16), channels_of((3, 128, 128), 16)
        ([128, 64, 32, 16], [128, 128, 128, 64, 32, 16])
    """
    return [base_channels * min(2**level, WIDEST) for level in reversed(range(len(grids(shape))))]


def _blocks(channels: int, count: int, depth: int) -> list[InvertedBlock]:
    return [InvertedBlock(channels, depth) for _ in range(count)]


def _widened(before: int, after: int) -> nn.Module:
    """Return a 1 x 1 convolution where the channels differ, else the identity."""
    if before == after:
        return nn.Identity()
    layer = nn.Conv2d(before, after, 1, bias=False)
    _initialise(layer)
    return layer


def _initialise(layer: nn.Conv2d | nn.Linear, gain: float = 1.0) -> None:
    nn.init.normal_(layer.weight, std=gain / prod(layer.weight.shape[1:]) ** 0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


ARCHITECTURE = Architecture(
    R3GANGenerator,
    R3GANCritic,
    SIDES,
    summary="Use residual blocks with grouped convolutions and no normalisation.",
    reference=Reference(
        "The GAN is dead; long live the GAN! A Modern GAN Baseline",
        "Huang et al. 2024",
        "section 3, figure 4",
        "https://arxiv.org/abs/2501.05441",
    ),
)
