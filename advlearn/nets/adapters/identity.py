"""Critic without parameters that returns the samples themselves."""

from typing import final

import torch
from torch import Tensor

from advlearn.core.arguments import Natural
from advlearn.nets.network import Network, one_hot


@final
class IdentityCritic(Network):
    """Return samples as flat vectors, concatenated to their one-hot class if there is one.

    Args:
        classes: Number of classes; 0 for none.
        scale: Length of the one-hot vector; samples that differ only in class are sqrt(2) * scale
            apart.

    Example:
        >>> IdentityCritic()(torch.zeros(2, 1, 8, 8)).shape
        torch.Size([2, 64])
    """

    def __init__(self, classes: Natural = 0, scale: float = 4.0) -> None:
        super().__init__()
        self.classes = classes
        self.scale = scale

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return vectors (N, d) of samples `x` (N, ...) and classes `y` (N,)."""
        points = x.flatten(1)
        return (
            points
            if y is None
            else torch.cat([points, self.scale * one_hot(y, self.classes, points)], 1)
        )
