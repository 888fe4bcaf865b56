"""DCGAN: convolutional generator and critic of images, series and volumes of any size."""

from itertools import pairwise
from math import prod
from typing import Literal, final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, GridShape, Natural
from advlearn.core.described import Reference
from advlearn.nets.architecture import Architecture
from advlearn.nets.blocks.resolution import (
    CONVOLUTIONS,
    NORMS,
    convolution,
    cropped,
    norm_layer,
    padded,
    plan,
    transposed_convolution,
    widths,
)
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    embedding,
    join,
    plane,
    positive,
    projected,
    sizes,
    squeeze_score,
)

INIT_STD = 0.02
"""Standard deviation of the initial weights (Radford et al. 2016, section 4)."""


@final
class DCGANGenerator(Network):
    """Generate images with a linear layer, transposed convolutions and tanh.

    The sides of the first feature map are the image's, halved while they are even and above 7 (4
    for 8, 16, 32 and 64; 7 for 28). Other sides are generated a few pixels larger and cropped. Each
    doubling of the sides except the last halves the channels, down from at most 8 base_channels.

    Args:
        latent: Size of the latent vector.
        shape: Shape (C, H, W) of an image, (C, L) of a series or (C, D, H, W) of a volume, with
            sides from 8.
        base_channels: Channels at half the full resolution.
        classes: Number of classes; 0 for an unconditional generator, else an embedding of
            the class is concatenated to the latent.
        norm: "batch" or "none" after each hidden layer.
        tanh_output: End in tanh, for data in [-1, 1].

    Raises:
        ValueError: A shape that does not fit; in `forward` latents of another size, or classes
            missing.

    Example:
        >>> DCGANGenerator(16, (3, 32, 32), base_channels=4)(torch.zeros(2, 16)).shape
        torch.Size([2, 3, 32, 32])

    Reference: Radford, Metz, Chintala, "Unsupervised Representation Learning with Deep
        Convolutional Generative Adversarial Networks", 2016, figure 1.

    Deviations: the number of layers follows the image; the first layer is a Linear layer on the
        latent vector.
    """

    def __init__(
        self,
        latent: Count,
        shape: GridShape,
        base_channels: Count = 64,
        classes: Natural = 0,
        norm: Literal["batch", "none"] = "batch",
        tanh_output: bool = True,
    ) -> None:
        super().__init__()
        positive(latent=latent, base_channels=base_channels)
        if norm not in ("batch", "none"):
            raise ValueError(f"norm: expected batch or none, got {norm!r}")
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.base_channels = base_channels
        self.classes = classes
        self.norm: Literal["batch", "none"] = norm
        self.tanh_output = tanh_output
        start, doublings = plan(self.shape)
        axes = len(start)
        channels = widths(base_channels, doublings)[::-1]
        self.embedding = embedding(classes)
        inputs = latent + (EMBEDDING if classes else 0)
        self.project = nn.Linear(inputs, channels[0] * prod(start))
        self.grid = (channels[0], *start)
        layers = self._norm_and_relu(channels[0])
        deconvolution = transposed_convolution(axes)
        for before, after in pairwise(channels):
            layers += [
                deconvolution(before, after, 4, 2, 1, bias=norm == "none"),
                *self._norm_and_relu(after),
            ]
        layers.append(deconvolution(channels[-1], self.shape[0], 4, 2, 1))
        self.layers = nn.Sequential(*layers)
        self.output = nn.Tanh() if tanh_output else nn.Identity()
        self.apply(_initialise)

    def _norm_and_relu(self, channels: int) -> list[nn.Module]:
        axes = len(self.shape) - 1
        norm: list[nn.Module] = [norm_layer(axes)(channels)] if self.norm == "batch" else []
        return [*norm, nn.ReLU()]

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to images (N, C, H, W)."""
        check_shape("z", z, (self.latent,))
        grid = self.project(join(z, y, self.embedding)).unflatten(1, self.grid)
        return self.output(cropped(self.layers(grid), self.shape))


@final
class DCGANCritic(Network):
    """Score images with strided convolutions and a linear layer, without norm.

    With classes, score_f(x, y) = (w_f + v_f(y)) . h(x), where h is the last feature map; or
    score_f(x, y) = w_f . h([x, p(y)]), where p(y) is a learned plane, concatenated to the image.

    Sides that cannot be halved are padded with zeros, as `DCGANGenerator` crops them.

    Args:
        shape: Shape (C, H, W) of an image, (C, L) of a series or (C, D, H, W) of a volume, with
            sides from 8.
        out_features: Scores per sample.
        base_channels: Channels at half the full resolution; doubled with each halving, to at most
            8 base_channels.
        classes: Number of classes; 0 for an unconditional critic.
        conditioning: "projection" or "concat"; ignored without classes.

    Raises:
        ValueError: A shape that does not fit; in `forward` images of another shape, or classes
            missing.

    Example:
        >>> DCGANCritic((1, 28, 28), base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2])

    Reference: Radford, Metz, Chintala 2016, section 3; Miyato and Koyama, "cGANs with Projection
        Discriminator", 2018, equation 4 for the classes; Mirza and Osindero, "Conditional
        Generative Adversarial Nets", 2014, section 3.2 for their concatenation.

    Deviations: no batch norm, because a penalty per sample has no meaning where samples of a batch
        interact. The projection takes the whole feature map, like the head, instead of its sum over
        the pixels: with the sum, samples of one class were nearly identical
        (`benchmarks/results/images_conditional_tried.json`).
    """

    def __init__(
        self,
        shape: GridShape,
        out_features: int = 1,
        base_channels: Count = 64,
        classes: Natural = 0,
        conditioning: Literal["projection", "concat"] = "projection",
    ) -> None:
        super().__init__()
        positive(out_features=out_features, base_channels=base_channels)
        if conditioning not in ("projection", "concat"):
            raise ValueError(f"conditioning: expected projection or concat, got {conditioning!r}")
        self.shape = sizes("shape", shape)
        self.out_features = out_features
        self.base_channels = base_channels
        self.classes = classes
        self.conditioning: Literal["projection", "concat"] = conditioning
        end, halvings = plan(self.shape)
        concatenates = classes > 0 and conditioning == "concat"
        channels = [self.shape[0] + concatenates, *widths(base_channels, halvings)]
        self.layers = nn.Sequential()
        for before, after in pairwise(channels):
            layer = convolution(len(end))(before, after, 4, 2, 1)
            self.layers.append(layer).append(nn.LeakyReLU(0.2))
        features = channels[-1] * prod(end)
        self.embedding = embedding(
            classes, prod(self.shape[1:]) if concatenates else features * out_features
        )
        self.flatten = nn.Flatten()
        self.head = nn.Linear(features, out_features)
        self.apply(_initialise)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score images (N, C, H, W): (N,) for one score per sample, else (N, out_features)."""
        check_shape("x", x, self.shape)
        if self.conditioning == "concat":
            joined = torch.cat([x, *plane(y, self.embedding, x)], 1)
            return squeeze_score(self.head(self.flatten(self.layers(padded(joined)))))
        h = self.flatten(self.layers(padded(x)))
        return squeeze_score(projected(self.head(h), h, y, self.embedding))


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (*CONVOLUTIONS, nn.Linear, nn.Embedding)):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
        if not isinstance(module, nn.Embedding) and module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, NORMS):
        nn.init.normal_(module.weight, 1.0, INIT_STD)


ARCHITECTURE = Architecture(
    DCGANGenerator,
    DCGANCritic,
    tuple(range(8, 65, 4)),
    any_size=True,
    summary="Use transposed convolutions in the generator and strided convolutions in the critic.",
    reference=Reference(
        "Unsupervised Representation Learning with Deep "
        "Convolutional Generative Adversarial Networks",
        "Radford et al. 2016",
        "section 3, figure 1",
        "https://arxiv.org/abs/1511.06434",
    ),
)
