"""SAGAN: SNGAN's networks with self-attention and spectral norm in the generator."""

from typing import final

from torch import Tensor

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.conditional import ProjectionHead, class_indicators
from advlearn.nets.blocks.residual import SIDES, DownTrunk, UpTrunk, attended, grids, normalise
from advlearn.nets.network import Network, check_shape, positive, sizes, squeeze_score

LARGEST = 32
"""Largest feature map with attention (the best in Zhang et al. 2019, table 1)."""


@final
class SAGANGenerator(Network):
    """Generate images like `SNGANGenerator`, with self-attention and spectral norm.

    Args:
        latent: Size of the latent vector.
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        base_channels: As for `SNGANGenerator`.
        classes: Number of classes; 0 for an unconditional generator.
        tanh_output: End in tanh, for data in [-1, 1].
        spectral: Normalise each convolution and linear layer by its largest singular value.

    Raises:
        ValueError: A shape that does not fit; in `forward` latents of another size, or classes
            missing.

    Example:
        >>> import torch
        >>> SAGANGenerator(16, (3, 32, 32), base_channels=2)(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Zhang, Goodfellow, Metaxas, Odena, "Self-Attention Generative Adversarial Networks",
        2019, sections 3 and 4.

    Deviations: the gains and biases of the conditional norms are not normalised; images below 64
        pixels, which the paper does not use, have attention at half their side.
    """

    def __init__(
        self,
        latent: Count,
        shape: ImageShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        tanh_output: bool = True,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.tanh_output = tanh_output
        self.spectral = spectral
        self.blocks = len(grids(self.shape)) - 1
        self.trunk = UpTrunk(
            latent,
            self.shape,
            base_channels,
            [classes] * self.blocks,
            attended(self.shape, LARGEST),
            tanh_output,
        )
        if spectral:
            normalise(self)

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        check_shape("z", z, (self.latent,))
        return self.trunk(z, [class_indicators(y, self.classes, like=z)] * self.blocks)


@final
class SAGANCritic(Network):
    """Score images like `SNGANCritic`, with self-attention.

    Args:
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        out_features: Scores per sample.
        base_channels: As for `SNGANCritic`.
        classes: Number of classes; 0 for an unconditional critic.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> import torch
        >>> SAGANCritic((1, 28, 28), base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])

    Reference: Zhang et al. 2019, sections 3 and 4.

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

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N,) for one score per sample, else (N, out_features)."""
        h = self.trunk(x)
        return squeeze_score(self.head(h, class_indicators(y, self.classes, like=h)))


ARCHITECTURE = Architecture(
    SAGANGenerator,
    SAGANCritic,
    SIDES,
    summary="Add self-attention and a spectrally normalised generator to SNGAN.",
    reference=Reference(
        "Self-Attention Generative Adversarial Networks",
        "Zhang et al. 2019",
        "sections 3 and 4",
        "https://arxiv.org/abs/1805.08318",
    ),
)
