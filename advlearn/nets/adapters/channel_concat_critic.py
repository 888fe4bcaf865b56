"""A critic of several images of one scene: they lie on one another as channels."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate


@final
class ChannelConcatCritic(nn.Module):
    """Put the images of a sample on one another, channel by channel, and score the whole.

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
        """Score images (N, C, H, W) of any channels each; smaller ones are enlarged to the last one's size."""
        size = images[-1].shape[2:]
        fitted = [
            x if x.shape[2:] == size else interpolate(x, size=size, mode="nearest") for x in images
        ]
        return self.net(torch.cat(fitted, 1))
