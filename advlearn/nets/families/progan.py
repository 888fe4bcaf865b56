"""ProGAN: a generator and a critic that grow from low to high resolution."""

import math
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.equalized_lr import MinibatchDeviation, PixelNorm, equalized_lr
from advlearn.nets.blocks.resolution import square_plan
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    embedding,
    join,
    positive,
    projected,
    sizes,
    squeeze_score,
)

SLOPE = 0.2
"""Slope of the leaky ReLUs."""
SIDES = (8, 16, 28, 32, 64)


@final
class Growth(nn.Module):
    """Hold the state of growth: the current resolution and how far the newest one is faded in.

    A level counts doublings of the smallest feature map; its fractional part is the share of the
    next resolution in the image. A network chooses its layers by the level, a Python number, so it
    does not compute larger layers. It blends by `alpha`, a tensor, which is set without a host
    synchronisation.

    Args:
        doublings: Level of the fully grown network, which is the initial level.

    Raises:
        ValueError: In `grow`, a level out of range.

    Example:
        >>> growth = Growth(3)
        >>> growth.grow(1.25)
        >>> growth.newest, growth.fading, growth.alpha
        (2, True, tensor(0.2500))

    Reference: Karras et al. 2018, figure 2.
    """

    alpha: Tensor

    def __init__(self, doublings: int) -> None:
        super().__init__()
        self.doublings = doublings
        # The state dict holds the level, from which alpha follows.
        self.register_buffer("alpha", torch.ones(()), persistent=False)
        self.grow(doublings)

    def grow(self, level: float) -> None:
        """Set the level, from 0 to `doublings`."""
        if not 0 <= level <= self.doublings:
            raise ValueError(f"level: expected a number from 0 to {self.doublings}, got {level!r}")
        self.level = float(level)
        self.newest = math.ceil(level)
        self.fading = self.newest != level
        self.alpha.fill_(level - self.newest + 1)

    def coming(self, steps: int) -> tuple[int, bool]:
        """Return what decides the operations at this level; `alpha` is on the device."""
        return self.newest, self.fading

    def get_extra_state(self) -> Tensor:
        """Return the level, a scalar, with which weights are loaded at their resolution."""
        return torch.tensor(self.level, dtype=torch.float64)

    def set_extra_state(self, state: Tensor) -> None:
        """Restore the state that `get_extra_state` returned."""
        self.grow(float(state))


@final
class ProGANGenerator(Network):
    r"""Generate images with two convolutions and pixel norms per resolution, equalized.

    .. math:: x = (1 - \alpha)\,up(image_{k-1}(h_{k-1})) + \alpha\,image_k(h_k), \qquad
        h_k = block_k(h_{k-1})

    `advlearn.training.progressive_growing.ProgressiveGrowing` grows it during a run. At a lower
    level the image has the lower resolution, is enlarged to the full size by repeating pixels, and
    the larger layers are not computed.

    Args:
        latent: Size of the latent vector.
        shape: Shape (C, H, W) of an image; H = W, a side that
            `advlearn.nets.families.dcgan.plan` accepts.
        base_channels: Channels at half the full resolution; doubled with each halving, half as many
            at the full one.
        classes: Number of classes; 0 for an unconditional generator, else an embedding of
            the class is concatenated to the latent.
        tanh_output: End in tanh, for data in [-1, 1].

    Raises:
        ValueError: A shape that does not fit; in `forward` latents of another size, or classes
            missing.

    Example:
        >>> import torch
        >>> generator = ProGANGenerator(16, (3, 32, 32), base_channels=4)
        >>> generator.grow(0.5)
        >>> generator(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Karras, Aila, Laine, Lehtinen, "Progressive Growing of GANs for Improved Quality,
        Stability, and Variation", 2018, section 2 and table 2.

    Deviations: tanh where `tanh_output`; the smallest grid and the number of channels follow the
        image; classes by an embedding.
    """

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        start, doublings = square_plan(self.shape)
        channels = channels_by_level(base_channels, doublings)
        self.growth = Growth(doublings)
        self.embedding = embedding(classes)
        self.norm = PixelNorm()
        inputs = latent + (EMBEDDING if classes else 0)
        project = equalized_lr(nn.Linear(inputs, channels[0] * start**2))
        grid = nn.Unflatten(1, (channels[0], start, start))
        self.first = nn.Sequential(
            project, grid, *_rectified(), *_normalised(channels[0], channels[0])
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2), *_normalised(before, after), *_normalised(after, after)
            )
            for before, after in pairwise(channels)
        )
        self.images = nn.ModuleList(
            equalized_lr(nn.Conv2d(c, self.shape[0], 1), gain=1.0) for c in channels
        )
        self.output = nn.Tanh() if tanh_output else nn.Identity()

    @property
    def doublings(self) -> int:
        """Level of the fully grown network."""
        return self.growth.doublings

    def grow(self, level: float) -> None:
        """Set the level, from 0 (smallest image) to `doublings` (full image); see `Growth`."""
        self.growth.grow(level)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        check_shape("z", z, (self.latent,))
        newest = self.growth.newest
        before = x = self.first(join(self.norm(z), y, self.embedding))
        for block in self.blocks[:newest]:
            before, x = x, block(x)
        image = self.images[newest](x)
        if self.growth.fading:
            image = torch.lerp(
                _enlarged(self.images[newest - 1](before), 1), image, self.growth.alpha
            )
        return self.output(_enlarged(image, self.doublings - newest))


@final
class ProGANCritic(Network):
    r"""Score images with a mirror image of the generator and the minibatch deviation.

    .. math:: h_{k-1} = (1 - \alpha)\,features_{k-1}(half(x)) + \alpha\,block_k(features_k(x))

    Below the full level an image is averaged down to the current resolution, which inverts the
    generator's enlargement. A score depends on the whole batch, so an adversary scores real and
    fake samples in two batches.

    Args:
        shape: Shape (C, H, W) of an image; H = W, as for the generator.
        out_features: Scores per sample.
        base_channels: Channels at half the full resolution, as for the generator.
        classes: Number of classes; 0 for an unconditional critic.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> import torch
        >>> ProGANCritic((1, 28, 28), base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])

    Reference: Karras et al. 2018, section 2, section 3 and table 2; Miyato and Koyama, "cGANs with
        Projection Discriminator", 2018, equation 4 for the classes.

    Deviations: while a resolution fades in, real images are not blended with their small version.
    """

    def __init__(
        self,
        shape: ImageShape,
        out_features: int = 1,
        base_channels: Count = 64,
        classes: Natural = 0,
    ) -> None:
        super().__init__()
        positive(out_features=out_features, base_channels=base_channels)
        self.shape = sizes("shape", shape)
        self.out_features = out_features
        self.base_channels = base_channels
        self.classes = classes
        end, halvings = square_plan(self.shape)
        channels = channels_by_level(base_channels, halvings)
        self.growth = Growth(halvings)
        self.features = nn.ModuleList(
            nn.Sequential(equalized_lr(nn.Conv2d(self.shape[0], c, 1)), *_rectified())
            for c in channels
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*_convolved(after, after), *_convolved(after, before), nn.AvgPool2d(2))
            for before, after in pairwise(channels)
        )
        deep = channels[0]
        flat = equalized_lr(nn.Linear(deep * end**2, deep))
        self.last = nn.Sequential(
            MinibatchDeviation(), *_convolved(deep + 1, deep), nn.Flatten(), flat, *_rectified()
        )
        self.head = equalized_lr(nn.Linear(deep, out_features), gain=1.0)
        self.embedding = embedding(classes, deep * out_features)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=deep**-0.5)

    @property
    def doublings(self) -> int:
        """Level of the fully grown network."""
        return self.growth.doublings

    def grow(self, level: float) -> None:
        """Set the level, from 0 (smallest image) to `doublings` (full image); see `Growth`."""
        self.growth.grow(level)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N,) for one score per sample, else (N, out_features)."""
        check_shape("x", x, self.shape)
        newest = self.growth.newest
        image = _halved(x, self.doublings - newest)
        h = self.features[newest](image)
        for level in range(newest, 0, -1):
            h = self.blocks[level - 1](h)
            if level == newest and self.growth.fading:
                h = torch.lerp(self.features[level - 1](_halved(image, 1)), h, self.growth.alpha)
        h = self.last(h)
        return squeeze_score(projected(self.head(h), h, y, self.embedding))


def channels_by_level(base_channels: int, doublings: int) -> list[int]:
    """Return the channels of each level: `base_channels` at half the image, doubled below.

    Example:
        >>> channels_by_level(16, 3)
        [64, 32, 16, 8]
    """
    return [max(1, base_channels * 2**level // 2) for level in reversed(range(doublings + 1))]


def _rectified() -> list[nn.Module]:
    return [nn.LeakyReLU(SLOPE)]


def _convolved(before: int, after: int) -> list[nn.Module]:
    return [equalized_lr(nn.Conv2d(before, after, 3, padding=1)), *_rectified()]


def _normalised(before: int, after: int) -> list[nn.Module]:
    return [*_convolved(before, after), PixelNorm()]


def _enlarged(x: Tensor, doublings: int) -> Tensor:
    return interpolate(x, scale_factor=2**doublings, mode="nearest") if doublings else x


def _halved(x: Tensor, halvings: int) -> Tensor:
    return avg_pool2d(x, 2**halvings) if halvings else x


ARCHITECTURE = Architecture(
    ProGANGenerator,
    ProGANCritic,
    SIDES,
    summary="Train at a low resolution first and fade in higher resolutions.",
    reference=Reference(
        "Progressive Growing of GANs for Improved Quality, Stability, and Variation",
        "Karras et al. 2018",
        "section 2, table 2",
        "https://arxiv.org/abs/1710.10196",
    ),
)
