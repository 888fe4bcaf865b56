"""Critic of several images, which are concatenated along the channels."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from advlearn.core.arguments import checked


@checked
@final
class ChannelConcatCritic(nn.Module):
    """Concatenate the images of a sample along the channels and score the result.

    Args:
        net: Module that scores images (N, sum of C, H, W).

    Example:
        >>> ChannelConcatCritic(nn.Flatten())(
        ...     torch.zeros(2, 1, 4, 4), torch.zeros(2, 3, 8, 8)
        ... ).shape
        torch.Size([2, 256])
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *images: Tensor) -> Tensor:
        """Score images (N, C, H, W); smaller images are resized to the size of the last one."""
        size = images[-1].shape[2:]
        fitted = [
            x if x.shape[2:] == size else interpolate(x, size=size, mode="nearest") for x in images
        ]
        return self.net(torch.cat(fitted, 1))
