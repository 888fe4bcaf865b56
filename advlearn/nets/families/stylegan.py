"""StyleGAN: a generator with a style for each layer and noise for each pixel."""

from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import instance_norm, leaky_relu

from advlearn.core import distributed
from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.equalized_lr import PixelNorm, equalized_lr
from advlearn.nets.blocks.own_noise import OwnNoise
from advlearn.nets.blocks.resolution import square_plan
from advlearn.nets.families.progan import SIDES, SLOPE, ProGANCritic, channels_by_level
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    embedding,
    join,
    one_hot,
    positive,
    sizes,
)

MAPPING_RATE = 0.01
"""Learning rate of the mapping network, relative to the others (Karras et al. 2019, appendix C)."""

MEAN_DECAY = 0.995
"""Decay of the running mean of w."""


@final
class AdaIN(nn.Module):
    r"""Normalise each channel and set its scale and mean from a style (AdaIN).

    .. math:: AdaIN(x_c, w) = (1 + a_c(w))\,\frac{x_c - \mu(x_c)}{\sigma(x_c)} + b_c(w)

    Mean and deviation are over the positions of one channel of one sample; a and b are linear in w.

    Args:
        channels: Channels of the grid.
        style: Size of w.

    Example:
        >>> AdaIN(3, 8)(torch.randn(2, 3, 4, 4), torch.zeros(2, 8)).mean().abs() < 1e-6
        tensor(True)

    Reference: Huang and Belongie 2017, equation 8; Karras et al. 2019, equation 1.
    """

    def __init__(self, channels: Count, style: Count) -> None:
        super().__init__()
        self.affine = equalized_lr(nn.Linear(style, 2 * channels), gain=1.0)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) and styles (N, style) to feature maps of the same shape."""
        scale, shift = self.affine(w)[:, :, None, None].chunk(2, 1)
        return instance_norm(x) * (1 + scale) + shift


@final
class PixelNoise(nn.Module):
    """Add noise per position, with a learned strength per channel that starts at zero.

    Args:
        channels: Channels of the grid.

    Example:
        >>> bool((PixelNoise(3)(torch.ones(2, 3, 4, 4)) == 1).all())
        True

    Reference: Karras et al. 2019, figure 1b.
    """

    def __init__(self, channels: Count) -> None:
        super().__init__()
        self.strength = nn.Parameter(torch.zeros(channels, 1, 1))
        self.noise = OwnNoise()

    def forward(self, x: Tensor) -> Tensor:
        """Add noise to feature maps (N, C, H, W); same shape."""
        return x + self.strength * self.noise.normal(x.shape[0], 1, *x.shape[2:], like=x)


@final
class StyleLayer(nn.Module):
    """Apply a convolution (or the constant input), noise, a rectifier and a style.

    Args:
        source: The convolution, with upsampling before it if any; the identity for the constant.
        channels: Output channels of the source.
        style: Size of w.

    Example:
        >>> StyleLayer(nn.Identity(), 3, style=8)(torch.randn(2, 3, 4, 4), torch.zeros(2, 8)).shape
        torch.Size([2, 3, 4, 4])
    """

    def __init__(self, source: nn.Module, channels: Count, style: Count) -> None:
        super().__init__()
        self.source = source
        self.noise = PixelNoise(channels)
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))
        self.style = AdaIN(channels, style)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """Map feature maps (N, C, H, W) and styles (N, style) to feature maps."""
        return self.style(leaky_relu(self.noise(self.source(x)) + self.bias, SLOPE), w)


@final
class StyleGANGenerator(Network):
    r"""Generate images with a mapping network from z to w and a synthesis network styled by w.

    .. math:: w = f(z), \qquad x = g(w_1, \dots, w_L), \qquad
        w_l = w \ \text{or, mixed,}\ w_l = w'\ \text{for}\ l > k

    In training a share of the samples takes the style of a second latent from a random layer k on,
    which keeps layers from relying on each other's styles. Truncation uses a running mean of w for
    each class.

    Args:
        latent: Size of the latent vector z.
        shape: Shape (C, H, W) of an image; H = W, a side that
            `advlearn.nets.families.dcgan.plan` accepts.
        base_channels: Channels at half the full resolution; doubled with each halving, half as many
            at the full one.
        classes: Number of classes; 0 for an unconditional generator, else an embedding of
            the class is concatenated to the latent.
        tanh_output: End in tanh, for data in [-1, 1].
        style: Size of w.
        depth: Layers of the mapping network.
        mixing: Share of the samples with two styles in training, from 0 to 1.

    Raises:
        ValueError: A shape that does not fit, a size below 1, a share out of range; in `forward`
            latents of another size, or classes missing.

    Example:
        >>> StyleGANGenerator(16, (3, 32, 32), base_channels=4)(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Karras, Laine, Aila, "A Style-Based Generator Architecture for Generative Adversarial
        Networks", 2019, figure 1b, section 3.1 (mixing), appendix B (truncation).

    Deviations: both networks have full resolution from the start; two mapping layers instead of
        eight, which would map different latents to similar styles before training; the mixing layer
        is drawn for each sample instead of each batch; truncation acts on all layers; tanh where
        `tanh_output`.
    """

    mean_w: Tensor

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
        style: Count = 128,
        depth: Count = 2,
        mixing: float = 0.9,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels, style=style, depth=depth)
        if not 0 <= mixing <= 1:
            raise ValueError(f"mixing: expected a share from 0 to 1, got {mixing!r}")
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        self.style = style
        self.depth = depth
        self.mixing = mixing
        start, doublings = square_plan(self.shape)
        channels = channels_by_level(base_channels, doublings)
        self.embedding = embedding(classes)
        widths = [latent + (EMBEDDING if classes else 0), *[style] * depth]
        self.mapping = nn.Sequential(PixelNorm())
        for before, after in pairwise(widths):
            self.mapping.append(equalized_lr(nn.Linear(before, after), rate=MAPPING_RATE)).append(
                nn.LeakyReLU(SLOPE)
            )
        self.constant = nn.Parameter(torch.ones(1, channels[0], start, start))
        self.layers = nn.ModuleList(StyleLayer(s, c, style) for s, c in _sources(channels))
        self.image = equalized_lr(nn.Conv2d(channels[-1], self.shape[0], 1), gain=1.0)
        self.output = nn.Tanh() if tanh_output else nn.Identity()
        self.register_buffer("mean_w", torch.zeros(max(classes, 1), style))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        w = self.styles(z, y)
        if not self.training:
            return self.synthesise(w)
        self._update_mean(w, y)
        if not self.mixing:
            return self.synthesise(w)
        other = self.styles(distributed.randn(*z.shape, like=z), y)
        # A crossover beyond the last layer takes no layer from the other style.
        layers, n = len(self.layers), z.shape[0]
        crossover = distributed.randint(layers - 1, n, device=z.device) + 1
        crossover = torch.where(distributed.rand(n, like=z) < self.mixing, crossover, layers)
        return self.synthesise(_crossed(w, other, crossover, layers))

    @torch.no_grad()
    def _update_mean(self, w: Tensor, y: Tensor | None) -> None:
        """Update the running mean of w, for each class that occurs in the batch."""
        # A condition vector has no single class: every class then follows the mean of all samples.
        membership = (
            w.new_ones(w.shape[0], 1)
            if y is None or y.is_floating_point()
            else one_hot(y, self.classes, w)
        )
        counts = distributed.mean(membership.sum(0))[:, None]
        means = distributed.mean(membership.T @ w) / counts.clamp(min=1e-6)
        self.mean_w.lerp_(means.to(self.mean_w), (1 - MEAN_DECAY) * (counts > 0).to(self.mean_w))

    def styles(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent) to styles w (N, style)."""
        check_shape("z", z, (self.latent,))
        return self.mapping(join(z, y, self.embedding))

    def synthesise(self, w: Tensor) -> Tensor:
        """Generate images from styles (N, style) or, one per layer, (N, layers, style)."""
        each = w[:, None].expand(-1, len(self.layers), -1) if w.ndim == 2 else w
        x = self.constant.expand(w.shape[0], -1, -1, -1)
        for layer, style in zip(self.layers, each.unbind(1), strict=True):
            x = layer(x, style)
        return self.output(self.image(x))

    def truncated(self, z: Tensor, y: Tensor | None = None, psi: float = 0.7) -> Tensor:
        r"""Generate images with styles truncated towards their (class) mean.

        .. math:: w' = \bar w_y + \psi\,(w - \bar w_y)

        Args:
            z: Latents (N, latent).
            y: Classes int64 (N,) if conditional.
            psi: 1 leaves the styles unchanged, 0 gives the image of the mean style.

        Returns:
            Images (N, C, H, W).
        """
        mean = self.mean_w[:1] if y is None or y.is_floating_point() else self.mean_w[y]
        return self.synthesise(torch.lerp(mean, self.styles(z, y), psi))

    def mixed(
        self, coarse: Tensor, fine: Tensor, crossover: int, y: Tensor | None = None
    ) -> Tensor:
        """Generate images with one latent's style in the first layers and another's in the rest.

        Args:
            coarse: Latents (N, latent) of the first `crossover` layers; each resolution has two.
            fine: Latents (N, latent) of the others.
            crossover: Number of coarse layers, from 0 to the number of layers.
            y: Classes int64 (N,) of both if conditional.

        Returns:
            Images (N, C, H, W).

        Raises:
            ValueError: The crossover is out of range.
        """
        layers = len(self.layers)
        if not 0 <= crossover <= layers:
            raise ValueError(
                f"crossover: expected a number of layers from 0 to {layers}, got {crossover!r}"
            )
        at = torch.full((len(coarse),), crossover, device=coarse.device)
        return self.synthesise(_crossed(self.styles(coarse, y), self.styles(fine, y), at, layers))


def _crossed(first: Tensor, second: Tensor, crossover: Tensor, layers: int) -> Tensor:
    """Return styles (N, layers, style): `first` before the crossover (N,), then `second`."""
    before = torch.arange(layers, device=crossover.device) < crossover[:, None]
    return torch.where(before[:, :, None], first[:, None], second[:, None])


def _sources(channels: list[int]) -> list[tuple[nn.Module, int]]:
    """Return the modules before each layer's noise and their channels, two per resolution."""
    sources: list[tuple[nn.Module, int]] = [
        (nn.Identity(), channels[0]),
        (_convolution(channels[0], channels[0]), channels[0]),
    ]
    for before, after in pairwise(channels):
        # Bilinear weights are those of doubling each pixel and blurring it by (1, 2, 1) / 4.
        enlarged = nn.Sequential(
            nn.Upsample(scale_factor=2, mode="bilinear"), _convolution(before, after)
        )
        sources += [(enlarged, after), (_convolution(after, after), after)]
    return sources


def _convolution(before: int, after: int) -> nn.Conv2d:
    return equalized_lr(nn.Conv2d(before, after, 3, padding=1, bias=False))


ARCHITECTURE = Architecture(
    StyleGANGenerator,
    ProGANCritic,
    SIDES,
    summary="Map the latent to a style that modulates every layer and add noise per pixel.",
    reference=Reference(
        "A Style-Based Generator Architecture for Generative Adversarial Networks",
        "Karras et al. 2019",
        "figure 1b, eq. 1",
        "https://arxiv.org/abs/1812.04948",
    ),
)
