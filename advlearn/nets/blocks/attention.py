"""Self-attention between the positions of a feature map."""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import max_pool2d

from advlearn.core.arguments import Count, checked
from advlearn.nets.network import positive

REDUCTION = 8
"""Factor by which queries and keys have fewer channels (Zhang et al. 2019, section 3)."""


@checked
@final
class SelfAttention(nn.Module):
    r"""Add self-attention to a feature map, with a gate that starts at zero.

    .. math:: y_i = x_i + \gamma\, W_o \sum_j a_{ij}\, W_v x_j, \qquad
        a_{ij} = \frac{\exp(W_q x_i \cdot W_k x_j)}{\sum_{j'} \exp(W_q x_i \cdot W_k x_{j'})}

    Queries and keys have C/8 channels, values C/2. The maps W are 1 x 1 convolutions.

    Args:
        channels: Channels C of the feature map.

    Raises:
        ValueError: `channels` below 1.

    Example:
        >>> x = torch.randn(2, 16, 8, 8)
        >>> torch.equal(SelfAttention(16)(x), x)
        True

    Reference: Zhang, Goodfellow, Metaxas, Odena, "Self-Attention Generative Adversarial Networks",
        2019, section 3, equations 1 to 3.

    Deviations: keys and values are max-pooled 2 x 2, which divides the cost by four, and values
        have C/2 channels instead of C/8; both as in the authors' code.
    """

    def __init__(self, channels: Count) -> None:
        super().__init__()
        positive(channels=channels)
        inner, values = max(1, channels // REDUCTION), max(1, channels // 2)
        self.query = nn.Conv2d(channels, inner, 1, bias=False)
        self.key = nn.Conv2d(channels, inner, 1, bias=False)
        self.value = nn.Conv2d(channels, values, 1, bias=False)
        self.output = nn.Conv2d(values, channels, 1, bias=False)
        self.gate = nn.Parameter(torch.zeros(()))
        for layer in (self.query, self.key, self.value, self.output):
            nn.init.xavier_uniform_(layer.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Apply attention to feature maps (N, C, H, W) with sides of at least 2; same shape."""
        query = self.query(x).flatten(2)
        key, value = (max_pool2d(layer(x), 2).flatten(2) for layer in (self.key, self.value))
        # The fused kernels of attention have no second derivative, which gradient penalties need.
        weights = torch.softmax(query.transpose(1, 2) @ key, dim=2)
        attended = (value @ weights.transpose(1, 2)).unflatten(2, x.shape[2:])
        return x + self.gate * self.output(attended)
