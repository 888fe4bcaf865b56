"""LAPGAN: generator and critic of one level of a Laplacian pyramid."""

from typing import final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, ImageShape, Natural
from advlearn.nets.network import (
    Network,
    check_shape,
    embedding,
    plane,
    positive,
    sizes,
    squeeze_score,
)


@final
class LAPGANGenerator(Network):
    r"""Generate the residual of an upsampled image from that image and a plane of noise.

    .. math:: \tilde h_k = G_k(z_k, l_k), \qquad l_k = u(I_{k+1})

    Args:
        shape: Shape (C, H, W) of an image of this level.
        base_channels: Channels of the hidden layers.
        classes: Number of classes; 0 for an unconditional generator, else a learned plane of the
            class is concatenated to the noise.

    Raises:
        ValueError: A size below 1; in `forward` images of another shape, or classes missing.

    Example:
        >>> LAPGANGenerator((3, 8, 8), base_channels=4)(
        ...     torch.zeros(2, 1, 8, 8), torch.zeros(2, 3, 8, 8)
        ... ).shape
        torch.Size([2, 3, 8, 8])

    Reference: Denton, Chintala, Szlam, Fergus, "Deep Generative Image Models using a Laplacian
        Pyramid of Adversarial Networks", 2015, section 3.2.

    Deviations: the number of channels is a setting, while the paper has three; kernels are 5 wide
        at all levels.
    """

    def __init__(self, shape: ImageShape, base_channels: Count = 64, classes: Natural = 0) -> None:
        super().__init__()
        positive(base_channels=base_channels)
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        channels, height, width = self.shape
        self.planes = embedding(classes, height * width)
        inputs = channels + (2 if classes else 1)
        self.layers = nn.Sequential(
            nn.Conv2d(inputs, base_channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(base_channels, base_channels, 5, padding=2),
            nn.ReLU(),
            nn.Conv2d(base_channels, channels, 5, padding=2),
        )

    def forward(self, z: Tensor, coarse: Tensor, y: Tensor | None = None) -> Tensor:
        """Map noise (N, 1, H, W), images (N, C, H, W) and classes, if any, to residuals."""
        check_shape("z", z, (1, *self.shape[1:]))
        check_shape("coarse", coarse, self.shape)
        return self.layers(torch.cat([coarse, z, *plane(y, self.planes, coarse)], 1))


@final
class LAPGANCritic(Network):
    r"""Score the sum of an upsampled image and its real or generated residual.

    .. math:: score = D_k(h_k + l_k)

    Args:
        shape: Shape (C, H, W) of an image of this level.
        out_features: Scores per sample.
        base_channels: Channels of the hidden layers.
        classes: Number of classes; 0 for an unconditional critic, else a learned plane of the
            class is concatenated to the image.

    Raises:
        ValueError: A size below 1; in `forward` images of another shape, or classes missing.

    Example:
        >>> LAPGANCritic((3, 8, 8), base_channels=4)(
        ...     torch.zeros(2, 3, 8, 8), torch.zeros(2, 3, 8, 8)
        ... ).shape
        torch.Size([2])

    Reference: Denton et al. 2015, section 3.2.

    Deviations: no dropout; strides of 2.
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
        channels, height, width = self.shape
        self.planes = embedding(classes, height * width)
        positions = -(-height // 4) * -(-width // 4)
        self.layers = nn.Sequential(
            nn.Conv2d(channels + bool(classes), base_channels, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(base_channels, base_channels, 5, 2, 2),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(base_channels * positions, out_features),
        )

    def forward(self, residual: Tensor, coarse: Tensor, y: Tensor | None = None) -> Tensor:
        """Score residuals and upsampled images (N, C, H, W): (N,) or (N, out_features)."""
        check_shape("residual", residual, self.shape)
        check_shape("coarse", coarse, self.shape)
        return squeeze_score(
            self.layers(torch.cat([residual + coarse, *plane(y, self.planes, coarse)], 1))
        )
