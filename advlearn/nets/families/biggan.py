"""BigGAN: a latent for every block, a shared class embedding and orthogonal weights."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.conditional import ProjectionHead, class_indicators
from advlearn.nets.blocks.residual import SIDES, DownTrunk, UpTrunk, attended, grids, normalise
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    join,
    positive,
    sizes,
    squeeze_score,
)
from advlearn.nets.network import embedding as class_embedding

LARGEST = 64
"""Largest feature map with attention (Brock et al. 2019, appendix B)."""


@final
class BigGANGenerator(Network):
    r"""Generate images like `SAGANGenerator`, and condition every block's norms on a part of z.

    .. math:: z = (z_0, \dots, z_n), \qquad
        x = \tanh(W \rho(N(B_n(\dots B_1(W_0 z_0, [z_1, e(y)]) \dots, [z_n, e(y)]))))

    `penalty` is a further term of the generator's loss, which makes truncation work.

    Args:
        latent: Size of the latent vector, larger than the number of blocks.
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        base_channels: As for `SNGANGenerator` (96 in the paper).
        classes: Number of classes; 0 for an unconditional generator.
        tanh_output: End in tanh, for data in [-1, 1].
        spectral: Normalise each convolution and linear layer by its largest singular value.
        orthogonal: Weight of `penalty`.

    Raises:
        ValueError: A size that does not fit; in `forward` latents of another size, or classes
            missing.

    Example:
        >>> BigGANGenerator(16, (3, 32, 32), base_channels=2)(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Brock, Donahue, Simonyan, "Large Scale GAN Training for High Fidelity Natural Image
        Synthesis", 2019, sections 3 and 3.1, equation 3, appendix B.

    Deviations: the sizes of the parts of z differ by one if they do not divide `latent`; the maps
        of the conditional norms start orthogonal and are not normalised; truncated latents use the
        batch-norm statistics of training; images below 128 pixels also have attention at half
        their side.
    """

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
        spectral: bool = True,
        orthogonal: float = 1e-4,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        self.spectral = spectral
        if not orthogonal >= 0:
            raise ValueError(f"orthogonal: expected a number of at least 0, got {orthogonal!r}")
        self.orthogonal = orthogonal
        self.parts = parts(latent, len(grids(self.shape)))
        self.embedding = class_embedding(classes)
        conditions = [part + (EMBEDDING if classes else 0) for part in self.parts[1:]]
        self.trunk = UpTrunk(
            self.parts[0],
            self.shape,
            base_channels,
            conditions,
            attended(self.shape, LARGEST),
            tanh_output,
        )
        self.apply(_initialise)
        if spectral:
            normalise(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        check_shape("z", z, (self.latent,))
        first, *others = z.split(self.parts, dim=1)
        return self.trunk(first, [join(part, y, self.embedding) for part in others])

    def penalty(self) -> Tensor:
        r"""Return the generator's orthogonal regularization, a term of its loss.

        .. math:: w \sum_l \|W_l W_l^T \odot (1 - I)\|_F^2

        The sum is over all weights except the class embedding, before spectral normalisation; each
        is a matrix with one row per output.

        Returns:
            A scalar.
        """
        layers = [m for m in self.trunk.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
        with torch.autocast(self.trunk.project.weight.device.type, enabled=False):
            return (
                self.orthogonal
                * torch.stack([_overlap(_learned(layer).flatten(1)) for layer in layers]).sum()
            )


@final
class BigGANCritic(Network):
    """Score images like `SNGANCritic`, with self-attention and orthogonal initialisation.

    Args:
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        out_features: Scores per sample.
        base_channels: As for `SNGANCritic` (96 in the paper).
        classes: Number of classes; 0 for an unconditional critic.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> BigGANCritic((1, 28, 28), base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])

    Reference: Brock et al. 2019, section 3, appendix B.

    Deviations: spectral normalisation is a regularizer, ``"hinge + spectral_norm"``, and not part
        of the critic.
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
        self.trunk = DownTrunk(self.shape, base_channels, attended(self.shape, LARGEST))
        self.head = ProjectionHead(self.trunk.features, out_features, classes)
        self.apply(_initialise)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N,) for one score per sample, else (N, out_features)."""
        h = self.trunk(x)
        return squeeze_score(self.head(h, class_indicators(y, self.classes, like=h)))


def parts(latent: int, count: int) -> list[int]:
    """Return the sizes of the `count` parts of a latent vector, which differ by at most one.

    Example:
        >>> parts(16, 3)
        [6, 5, 5]
    """
    if latent < count:
        raise ValueError(
            f"latent: expected at least {count}, one more than there are blocks, got {latent}"
        )
    return [latent // count + (k < latent % count) for k in range(count)]


def _overlap(matrix: Tensor) -> Tensor:
    products = matrix @ matrix.T
    return (products - products.diag().diag()).square().sum()


def _learned(layer: nn.Conv2d | nn.Linear) -> Tensor:
    """Return the trained parameter of a layer's weight, which a parametrization may normalise."""
    if not parametrize.is_parametrized(layer, "weight"):
        return layer.weight
    return layer.get_parameter("parametrizations.weight.original")


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear, nn.Embedding)):
        nn.init.orthogonal_(module.weight)


ARCHITECTURE = Architecture(
    BigGANGenerator,
    BigGANCritic,
    SIDES,
    summary="Feed the latent to every block, share one class embedding and start orthogonal.",
    reference=Reference(
        "Large Scale GAN Training for High Fidelity Natural Image Synthesis",
        "Brock et al. 2019",
        "section 3, eq. 3",
        "https://arxiv.org/abs/1809.11096",
    ),
)
