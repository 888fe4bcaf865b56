"""Critic of vectors that contain the pixels of images."""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count
from advlearn.nets.mlp import MLP
from advlearn.nets.network import Network, check_shape, sizes, squeeze_score

# Channels after each halving of an image, and the side below which it is not halved.
CHANNELS, SMALLEST = (16, 32, 64, 64), 4


@final
class PixelCritic(Network):
    """Apply convolutions to each image in a vector, then a perceptron to all features; no norm.

    Images of one shape share their convolutions, for example those of a state and the next state.

    Args:
        in_features: Size of the vectors.
        images: Start and shape (C, H, W) of each image in a vector.
        out_features: Scores per sample.
        seen: Number of features of each image.
        hidden: Sizes of the perceptron's hidden layers.

    Raises:
        ValueError: A size below 1, or an image that is outside the vector or overlaps another.

    Example:
        >>> PixelCritic(2 + 3 * 8 * 8, [(1, (3, 8, 8))])(torch.zeros(5, 194)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        in_features: Count,
        images: Sequence[tuple[int, Sequence[int]]],
        out_features: int = 1,
        seen: Count = 64,
        hidden: Sequence[int] = (64, 64),
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.images = tuple((int(start), sizes("images", shape)) for start, shape in images)
        self.out_features = out_features
        self.seen = seen
        self.hidden = sizes("hidden", hidden)
        gaps, end = [], 0
        for start, shape in sorted(self.images):
            if start < end or start + math.prod(shape) > in_features:
                raise ValueError(
                    f"images: expected parts of {in_features} features, got {shape} from {start}"
                )
            gaps += [(end, start)]
            end = start + math.prod(shape)
        # The entries that belong to no image.
        self.rest = [(low, high) for low, high in [*gaps, (end, in_features)] if high > low]
        self.convolutions = nn.ModuleDict(
            {_name(shape): _convolutions(shape, seen) for _, shape in self.images}
        )
        width = sum(high - low for low, high in self.rest) + seen * len(self.images)
        self.body = MLP(width, out_features, self.hidden)

    def forward(self, x: Tensor) -> Tensor:
        """Score vectors (N, in_features): (N,) for one score per sample, else (N, out_features)."""
        check_shape("x", x, (self.in_features,))
        parts = [x[:, low:high] for low, high in self.rest]
        for start, shape in self.images:
            image = x[:, start : start + math.prod(shape)].unflatten(1, shape)
            parts.append(self.convolutions[_name(shape)](image))
        return squeeze_score(self.body(torch.cat(parts, 1)))


def _name(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _convolutions(shape: tuple[int, ...], seen: int) -> nn.Sequential:
    channels, height, width = shape
    layers: list[nn.Module] = []
    for wide in CHANNELS:
        if min(height, width) < 2 * SMALLEST:
            break
        layers += [nn.Conv2d(channels, wide, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels, height, width = wide, height // 2, width // 2
    layers += [nn.Flatten(), nn.Linear(channels * height * width, seen), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers)
