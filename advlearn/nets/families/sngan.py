"""SNGAN: residual generator and projection critic."""

from typing import final

from torch import Tensor

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.conditional import ProjectionHead, class_indicators
from advlearn.nets.blocks.residual import SIDES, DownTrunk, UpTrunk, grids
from advlearn.nets.network import Network, check_shape, positive, sizes, squeeze_score


@final
class SNGANGenerator(Network):
    r"""Generate images with residual blocks and class-conditional batch norm.

    .. math:: x = \tanh(W \rho(N(B_n(\dots B_1(W_0 z, y) \dots, y))))

    Args:
        latent: Size of the latent vector.
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        base_channels: Channels of every feature map for images up to 32 pixels (256 in the paper);
            for larger ones those at full resolution, doubled with each halving (64 in the paper).
        classes: Number of classes; 0 for an unconditional generator.
        tanh_output: End in tanh, for data in [-1, 1].

    Raises:
        ValueError: A shape that does not fit; in `forward` latents of another size, or classes
            missing.

    Example:
        >>> import torch
        >>> SNGANGenerator(16, (3, 32, 32), base_channels=2)(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Miyato, Kataoka, Koyama, Yoshida, "Spectral Normalization for Generative Adversarial
        Networks", 2018, tables 4 and 5; Miyato and Koyama, "cGANs with Projection Discriminator",
        2018, figure 14.

    Deviations: the first feature map of images of 28 pixels is 7 x 7.
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
        self.blocks = len(grids(self.shape)) - 1
        self.trunk = UpTrunk(
            latent, self.shape, base_channels, [classes] * self.blocks, tanh_output=tanh_output
        )

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        check_shape("z", z, (self.latent,))
        return self.trunk(z, [class_indicators(y, self.classes, like=z)] * self.blocks)


@final
class SNGANCritic(Network):
    r"""Score images with residual blocks, a sum over all positions and a linear layer.

    .. math:: score_f(x, y) = w_f \cdot h(x) + v_f(y) \cdot h(x), \qquad
        h(x) = \sum_{positions} \rho(B(x))

    Args:
        shape: Shape (C, H, W) of an image; H = W of 16, 28, 32, 64 or 128.
        out_features: Scores per sample.
        base_channels: Channels of every feature map for images up to 32 pixels (128 in the paper);
            for larger ones those of the first block, doubled with each halving (64 in the paper).
        classes: Number of classes; 0 for an unconditional critic.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> import torch
        >>> SNGANCritic((1, 28, 28), base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])

    Reference: Miyato et al. 2018, tables 4 and 5; Miyato and Koyama 2018, equation 4 and figure 14.

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
        self.trunk = DownTrunk(self.shape, base_channels)
        self.head = ProjectionHead(self.trunk.features, out_features, classes)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N,) for one score per sample, else (N, out_features)."""
        h = self.trunk(x)
        return squeeze_score(self.head(h, class_indicators(y, self.classes, like=h)))


ARCHITECTURE = Architecture(
    SNGANGenerator,
    SNGANCritic,
    SIDES,
    summary="Use residual blocks, class-conditional batch norm and a projection critic.",
    reference=Reference(
        "Spectral Normalization for Generative Adversarial Networks",
        "Miyato et al. 2018",
        "tables 4 and 5",
        "https://arxiv.org/abs/1802.05957",
    ),
)
