"""Classifiers and regressors with a named feature layer to attach adversaries to."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import final

from torch import Tensor, nn

from advlearn.core.arguments import Count, ImageShape
from advlearn.nets.network import Network, check_shape, positive, sizes, squeeze_score


@final
class MLPPredictor(Network):
    """Predict with a perceptron: `features` (all layers except the last), then `head`.

    Args:
        shape: Shape of one sample; samples are flattened.
        outputs: Outputs per sample: logits of classes, one logit, or one number.
        hidden: Sizes of the hidden layers.

    Example:
        >>> import torch
        >>> MLPPredictor((5,), 2, hidden=(8,))(torch.zeros(4, 5)).shape
        torch.Size([4, 2])
    """

    def __init__(self, shape: Sequence[int], outputs: Count, hidden: Sequence[int] = (64,)) -> None:
        super().__init__()
        positive(outputs=outputs)
        self.shape = sizes("shape", shape)
        self.outputs = outputs
        self.hidden = sizes("hidden", hidden)
        widths = (math.prod(self.shape), *self.hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in pairwise(widths):
            layers += [nn.Linear(before, after), nn.ReLU()]
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Map samples (N, *shape) to (N,) for one output, else (N, outputs)."""
        check_shape("x", x, self.shape)
        return squeeze_score(self.head(self.features(x)))


@final
class ConvPredictor(Network):
    """Predict with two convolutions and max pooling as `features`, then a dense `head`.

    Args:
        shape: Shape (C, H, W) of an image, H and W at least 12.
        outputs: Logits per sample.
        base_channels: Channels of the first convolution; the second has 3/2 as many.
        hidden: Sizes of the two dense layers.

    Example:
        >>> import torch
        >>> ConvPredictor((3, 28, 28), 10, base_channels=4)(torch.zeros(2, 3, 28, 28)).shape
        torch.Size([2, 10])

    Reference: Ganin et al., "Domain-Adversarial Training of Neural Networks", 2016, figure 4a.
    """

    def __init__(
        self,
        shape: ImageShape,
        outputs: Count,
        base_channels: Count = 32,
        hidden: Sequence[int] = (100, 100),
    ) -> None:
        super().__init__()
        positive(outputs=outputs, base_channels=base_channels)
        self.shape = sizes("shape", shape)
        self.outputs = outputs
        self.base_channels = base_channels
        self.hidden = sizes("hidden", hidden)
        channels, height, breadth = self.shape
        wide = base_channels + base_channels // 2
        after = [((side - 4) // 2 - 4) // 2 for side in (height, breadth)]
        if min(after) < 1:
            raise ValueError(f"shape: expected images from 12 pixels a side, got {self.shape}")
        self.features = nn.Sequential(
            *(nn.Conv2d(channels, base_channels, 5), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(base_channels, wide, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        )
        widths = (wide * math.prod(after), *self.hidden)
        layers: list[nn.Module] = []
        for inputs, features in pairwise(widths):
            layers += [nn.Linear(inputs, features), nn.ReLU()]
        self.head = nn.Sequential(*layers, nn.Linear(widths[-1], outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Map images (N, *shape) to (N,) for one output, else (N, outputs)."""
        check_shape("x", x, self.shape)
        return squeeze_score(self.head(self.features(x)))
