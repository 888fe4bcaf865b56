"""Encoders of samples into codes, sized from the data, and a critic of samples and their codes."""

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Literal, final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, checked
from advlearn.nets.blocks.resolution import (
    CONVOLUTIONS,
    NORMS,
    convolution,
    norm_layer,
    padded,
    plan,
    widths,
)
from advlearn.nets.classifier import MLPPredictor
from advlearn.nets.families.dcgan import INIT_STD
from advlearn.nets.mlp import MLP
from advlearn.nets.network import Network, check_shape, positive, sizes
from advlearn.nets.sizing import is_convolutional


@final
class ConvEncoder(Network):
    """Encode images by convolutions (`features`) and a linear `head`; mirrors `DCGANGenerator`.

    Args:
        shape: Shape (C, H, W) of an image, (C, L) of a series or (C, D, H, W) of a volume, with
            sides from 8.
        outputs: Numbers an image: the size of the code, or twice that for means and log-variances.
        base_channels: Channels at half the full resolution; doubled with each halving.
        norm: "batch" or "none" after each convolution but the first.

    Raises:
        ValueError: A shape that does not fit, or an unknown norm; in `forward` images of another
            shape.

    Example:
        >>> ConvEncoder((1, 28, 28), 16, base_channels=4)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 16])

    Reference: Donahue, Krahenbuhl, Darrell, "Adversarial Feature Learning", 2017, appendix C (the
        encoder is the discriminator of Radford et al. 2016 up to its last layer).

    Deviations: the number of layers follows the image; the last layer takes the whole feature map.
    """

    def __init__(
        self,
        shape: Sequence[int],
        outputs: Count,
        base_channels: Count = 64,
        norm: Literal["batch", "none"] = "batch",
    ) -> None:
        super().__init__()
        positive(outputs=outputs, base_channels=base_channels)
        if norm not in ("batch", "none"):
            raise ValueError(f"norm: expected batch or none, got {norm!r}")
        self.shape = sizes("shape", shape)
        self.outputs = outputs
        self.base_channels = base_channels
        self.norm: Literal["batch", "none"] = norm
        end, halvings = plan(self.shape)
        channels = [self.shape[0], *widths(base_channels, halvings)]
        axes = len(end)
        layers: list[nn.Module] = []
        for level, (before, after) in enumerate(pairwise(channels)):
            normed = norm == "batch" and level > 0
            layers.append(convolution(axes)(before, after, 4, 2, 1, bias=not normed))
            layers += [norm_layer(axes)(after)] if normed else []
            layers.append(nn.LeakyReLU(0.2))
        self.features = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(channels[-1] * prod(end), outputs)
        self.features.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to (N, outputs)."""
        check_shape("x", x, self.shape)
        return self.head(self.features(padded(x)))


@final
class MLPEncoder(Network):
    """Encode samples of any shape, flattened, by a perceptron: `features`, then a linear `head`.

    Args:
        shape: Shape of one sample.
        outputs: Numbers per sample: the size of the code, or twice it for means and log-variances.
        hidden: Sizes of the hidden layers.

    Raises:
        ValueError: A size below 1; in `forward` samples of another shape.

    Example:
        >>> MLPEncoder((2,), 3, hidden=(8,))(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self, shape: Sequence[int], outputs: Count, hidden: Sequence[int] = (256, 256, 256)
    ) -> None:
        super().__init__()
        self.shape = sizes("shape", shape)
        self.outputs = outputs
        self.hidden = sizes("hidden", hidden)
        body = MLPPredictor(self.shape, outputs, self.hidden)
        self.features, self.head = body.features, body.head

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (N, *shape) to (N, outputs)."""
        check_shape("x", x, self.shape)
        return self.head(self.features(x))


@checked
@final
class PairCritic(nn.Module):
    r"""Score pairs of a sample and a code by a perceptron of the features of both.

    .. math:: s(x, z) = J(F(x), H(z)), \qquad
        \text{unary terms}\ s(x) = w \cdot F(x),\quad s(z) = v \cdot H(z)

    Args:
        net: F: module from samples to (N, features).
        features: Size of F(x), and of H(z).
        latent: Size of a code.
        out_features: Scores of a pair.
        marginal_terms: Also score the sample and the code separately: three times as many scores.

    Raises:
        ValueError: A size below 1; in `forward` codes of another size.

    Example:
        >>> critic = PairCritic(nn.Linear(2, 8), 8, latent=3, marginal_terms=True)
        >>> critic(torch.zeros(5, 2), torch.zeros(5, 3)).shape
        torch.Size([5, 3])

    Reference: Dumoulin et al., "Adversarially Learned Inference", 2017, tables 4 to 6; Donahue and
        Simonyan, "Large Scale Adversarial Representation Learning", 2019, section 2 (the
        marginal terms).

    Deviations: H and J are perceptrons of one hidden layer; no dropout and no maxout.
    """

    def __init__(
        self,
        net: nn.Module,
        features: Count,
        latent: Count,
        out_features: int = 1,
        marginal_terms: bool = False,
    ) -> None:
        super().__init__()
        positive(features=features, latent=latent, out_features=out_features)
        self.latent = latent
        self.out_features = out_features
        self.of_sample = nn.Sequential(net, nn.LeakyReLU(0.2))
        self.of_code = nn.Sequential(MLP(latent, features, (features,)), nn.LeakyReLU(0.2))
        self.marginal_terms = nn.ModuleList(
            nn.Linear(features, out_features) for _ in range(2 if marginal_terms else 0)
        )
        self.pair = MLP(2 * features, out_features, (features,))

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """Score samples with codes `z` (N, latent): (N, out_features), or 3 * out_features."""
        check_shape("z", z, (self.latent,))
        parts = self.of_sample(x), self.of_code(z)
        marginal = [score(part) for score, part in zip(self.marginal_terms, parts, strict=False)]
        return torch.cat([self.pair(torch.cat(parts, 1)), *marginal], 1)


@checked
def encoder_for(
    shape: Sequence[int], outputs: Count, base_channels: Count = 64
) -> ConvEncoder | MLPEncoder:
    """Return an encoder for samples of a shape.

    Images, series and volumes of any size from 16 pixels get `ConvEncoder`, vectors and smaller
    samples `MLPEncoder`.

    Args:
        shape: Shape of one sample.
        outputs: Numbers per sample.
        base_channels: Channels at half resolution; a perceptron has three hidden layers of
            4 * base_channels.

    Raises:
        ValueError: A size below 1.

    Example:
        >>> type(encoder_for((1, 28, 28), 8)).__name__, type(encoder_for((2,), 8)).__name__
        ('ConvEncoder', 'MLPEncoder')
    """
    shape = sizes("shape", shape)
    positive(base_channels=base_channels)
    if is_convolutional(shape):
        return ConvEncoder(shape, outputs, base_channels)
    return MLPEncoder(shape, outputs, (4 * base_channels,) * 3)


def _initialise(module: nn.Module) -> None:
    if isinstance(module, CONVOLUTIONS):
        nn.init.normal_(module.weight, 0.0, INIT_STD)
    elif isinstance(module, NORMS):
        nn.init.normal_(module.weight, 1.0, INIT_STD)
