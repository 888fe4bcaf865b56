"""PSGAN: a generator of textures of any size from a grid of noise."""

import math
from itertools import pairwise
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.own_noise import OwnNoise
from advlearn.nets.blocks.resolution import square_plan
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    class_vectors,
    embedding,
    join,
    positive,
    sizes,
    squeeze_score,
)

SIDES = (8, 16, 28, 32, 64)

MARGIN = 1
"""Number of cells of the grid beyond each edge of the image; see `PSGANGenerator`."""


@final
class PSGANGenerator(Network):
    r"""Generate textures from a grid of global latents, local noise and periodic waves.

    .. math:: Z_{ij} = \big(z,\ u_{ij},\ \sin(k_1(z)\,i + k_2(z)\,j + \phi)\big), \qquad
        u_{ij} \sim U[-1, 1], \quad \phi \sim U[0, 2\pi)

    z chooses the texture, u varies between positions, and the waves are periodic patterns, whose
    wave numbers k follow from z. The grid extends one cell beyond each edge of the image, and this
    margin is cut off. The edge of the grid influences no more than the margin for any number of
    doublings, so the image does not depend on absolute positions.

    Args:
        latent: Size of z.
        shape: Shape (C, H, W) of the images to train on; H = W, a side that
            `advlearn.nets.families.dcgan.plan` accepts.
        base_channels: Channels at half the full resolution; doubled with each halving.
        classes: Number of classes; 0 for an unconditional generator, else an embedding of
            the class is concatenated to z.
        tanh_output: End in tanh, for data in [-1, 1].
        local: Size of u at each position.
        waves: Number of waves.

    Raises:
        ValueError: A shape that does not fit, a size below 1; in `forward` latents of another size,
            or classes missing; in `texture` sides that the grid does not divide.

    Example:
        >>> generator = PSGANGenerator(8, (3, 32, 32), base_channels=4)
        >>> generator(torch.zeros(2, 8)).shape, generator.texture(torch.zeros(1, 8), 64, 96).shape
        (torch.Size([2, 3, 32, 32]), torch.Size([1, 3, 64, 96]))

    Reference: Bergmann, Jetchev, Vollgraf, "Learning Texture Manifolds with the Periodic Spatial
        GAN", 2017, section 3 and equation 5.

    Deviations: z is normal, as in every task, and separate from u; the margin replaces the paper's
        zero padding; kernels are 4 wide instead of 5.
    """

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
        local: Count = 16,
        waves: Count = 4,
    ) -> None:
        super().__init__()
        self.noise, self.phase = OwnNoise(), OwnNoise()
        positive(latent=latent, base_channels=base_channels, local=local, waves=waves)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        self.local = local
        self.waves = waves
        doublings = square_plan(self.shape)[1]
        self.cell = 2**doublings
        channels = [base_channels * 2**level for level in reversed(range(doublings))]
        self.embedding = embedding(classes)
        size = latent + (EMBEDDING if classes else 0)
        self.numbers = nn.Sequential(nn.Linear(size, 64), nn.ReLU(), nn.Linear(64, 2 * waves))
        layers: list[nn.Module] = [nn.Conv2d(size + local + waves, channels[0], 1, bias=False)]
        for before, after in pairwise([*channels, self.shape[0]]):
            layers += [
                nn.BatchNorm2d(before),
                nn.ReLU(),
                nn.ConvTranspose2d(before, after, 4, 2, 1, bias=False),
            ]
        self.layers = nn.Sequential(*layers)
        self.bias = nn.Parameter(torch.zeros(self.shape[0], 1, 1))
        self.output = nn.Tanh() if tanh_output else nn.Identity()

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        return self.texture(z, self.shape[1], self.shape[2], y)

    def texture(self, z: Tensor, height: int, width: int, y: Tensor | None = None) -> Tensor:
        """Generate textures of any size.

        Args:
            z: Latents (N, latent).
            height: Height in pixels, a multiple of `cell`.
            width: Width in pixels, a multiple of `cell`.
            y: Classes int64 (N,) if conditional.

        Returns:
            Images (N, C, height, width).
        """
        check_shape("z", z, (self.latent,))
        for name, side in (("height", height), ("width", width)):
            if side < 1 or side % self.cell:
                raise ValueError(f"{name}: expected a multiple of {self.cell} pixels, got {side!r}")
        rows, columns = height // self.cell + 2 * MARGIN, width // self.cell + 2 * MARGIN
        return self.paint(self.grid(join(z, y, self.embedding), rows, columns))

    def grid(self, latents: Tensor, rows: int, columns: int) -> Tensor:
        """Return the grid Z (N, D, rows, columns) of latents, classes, new noise and new phases."""
        n = latents.shape[0]
        noise = 2 * self.noise.uniform(n, self.local, rows, columns, like=latents) - 1
        phase = 2 * math.pi * self.phase.uniform(n, self.waves, 1, 1, like=latents)
        down, right = self.numbers(latents)[:, :, None, None].chunk(2, 1)
        i = torch.arange(rows, device=latents.device, dtype=latents.dtype)[:, None]
        j = torch.arange(columns, device=latents.device, dtype=latents.dtype)
        waves = torch.sin(down * i + right * j + phase)
        return torch.cat([latents[:, :, None, None].expand(-1, -1, rows, columns), noise, waves], 1)

    def paint(self, grid: Tensor) -> Tensor:
        """Return images of a grid (N, D, rows, columns) without the cells of its margin."""
        edge = MARGIN * self.cell
        return self.output(self.layers(grid)[:, :, edge:-edge, edge:-edge] + self.bias)


@final
class PSGANCritic(Network):
    """Score each position of a downsampled image; conditional by projection.

    Each score depends on a patch of 3 * 2^k - 2 pixels a side after k halvings, which is enough to
    judge a texture. An objective takes the mean over all scores.

    Args:
        shape: Shape (C, H, W) of an image; H = W, as for the generator.
        out_features: Scores per sample; above 1 each is the mean over all positions.
        base_channels: Channels at half the full resolution; doubled with each halving.
        classes: Number of classes; 0 for an unconditional critic.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> PSGANCritic((3, 32, 32), base_channels=4)(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 16])

    Reference: Bergmann et al. 2017, section 3.1; Miyato and Koyama, "cGANs with Projection
        Discriminator", 2018, equation 4 for the classes.

    Deviations: no batch norm, because a penalty per sample has no meaning where samples of a batch
    interact.
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
        halvings = square_plan(self.shape)[1]
        channels = [self.shape[0], *(base_channels * 2**level for level in range(halvings))]
        self.layers = nn.Sequential()
        for before, after in pairwise(channels):
            self.layers.append(nn.Conv2d(before, after, 4, 2, 1)).append(nn.LeakyReLU(0.2))
        self.head = nn.Conv2d(channels[-1], out_features, 1)
        self.embedding = embedding(classes, channels[-1] * out_features)
        if self.embedding is not None:
            nn.init.normal_(self.embedding.weight, std=channels[-1] ** -0.5)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N, positions) for one score each, else (N, out_features)."""
        check_shape("x", x, self.shape)
        grid = self.layers(x)
        score = self.head(grid)
        vectors = class_vectors(y, self.embedding)
        if vectors is not None:
            score = score + torch.einsum(
                "nfc,nchw->nfhw", vectors.unflatten(1, (self.out_features, -1)), grid
            )
        return squeeze_score(score.flatten(1) if self.out_features == 1 else score.mean((2, 3)))


ARCHITECTURE = Architecture(
    PSGANGenerator,
    PSGANCritic,
    SIDES,
    summary="Generate textures of any size from a grid of local, global and periodic noise.",
    reference=Reference(
        "Learning Texture Manifolds with the Periodic Spatial GAN",
        "Bergmann et al. 2017",
        "section 3, eq. 5",
        "https://arxiv.org/abs/1705.06480",
    ),
)
