"""Conditional batch norm and projection by a vector: a class, an embedding or a latent."""

from typing import final

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, Natural, checked
from advlearn.nets.network import check_classes, check_shape, one_hot, positive


@checked
@final
class ConditionalBatchNorm(nn.Module):
    r"""Normalise by batch norm with a gain and a bias that are linear in a vector c.

    .. math:: y = (1 + W c)\,\frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + V c

    W and V start at zero: the layer starts as batch norm without gain and bias. If c is a one-hot
    class, the columns of W and V are the gains and biases of the classes.

    Args:
        channels: Channels of the feature map.
        condition: Size of c; 0 for a plain batch norm with a learned gain and bias.

    Raises:
        ValueError: A size out of range; in `forward` a vector of another size, or one where none is
            expected.

    Example:
        >>> ConditionalBatchNorm(4, condition=3)(torch.randn(2, 4, 8, 8), torch.eye(3)[:2]).shape
        torch.Size([2, 4, 8, 8])

    Reference: de Vries et al., "Modulating early visual processing by language", 2017, section 3.1
        (any vector); Dumoulin, Shlens, Kudlur, "A Learned Representation for Artistic Style", 2017,
        equation 5 (classes).
    """

    def __init__(self, channels: Count, condition: Natural = 0) -> None:
        super().__init__()
        positive(channels=channels)
        _check_size(condition)
        self.condition = condition
        self.norm = nn.BatchNorm2d(channels, affine=not condition)
        self.gain = nn.Linear(condition, channels, bias=False) if condition else None
        self.bias = nn.Linear(condition, channels, bias=False) if condition else None
        for layer in (self.gain, self.bias):
            if layer is not None:
                nn.init.zeros_(layer.weight)

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """Normalise feature maps (N, channels, H, W), given vectors (N, condition) if any."""
        c = _check_condition(c, self.condition)
        if c is None or self.gain is None or self.bias is None:
            return self.norm(x)
        gain, bias = (layer(c)[:, :, None, None] for layer in (self.gain, self.bias))
        return torch.addcmul(bias, self.norm(x), 1 + gain)


@checked
@final
class ProjectionHead(nn.Module):
    r"""Score features h, conditional on a vector c by projection.

    .. math:: score_f(h, c) = w_f \cdot h + b_f + (V_f c) \cdot h

    If c is a one-hot class, the columns of V_f are the class embeddings.

    Args:
        features: Size of h.
        out_features: Scores per sample.
        condition: Size of c; 0 for scores of h only.

    Raises:
        ValueError: A size out of range; in `forward` a vector of another size, or one where none is
            expected.

    Example:
        >>> ProjectionHead(8, condition=3)(torch.randn(5, 8), torch.randn(5, 3)).shape
        torch.Size([5, 1])

    Reference: Miyato and Koyama, "cGANs with Projection Discriminator", 2018, equations 3 and 4.
    """

    def __init__(self, features: Count, out_features: int = 1, condition: Natural = 0) -> None:
        super().__init__()
        positive(features=features, out_features=out_features)
        _check_size(condition)
        self.condition = condition
        self.projection = (
            nn.Linear(condition, out_features * features, bias=False) if condition else None
        )
        # Regularizers of features take the inputs of a critic's last linear layer.
        self.linear = nn.Linear(features, out_features)
        for layer in (self.linear, self.projection):
            if layer is not None:
                nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, h: Tensor, c: Tensor | None = None) -> Tensor:
        """Score features (N, features), with vectors (N, condition) if conditional."""
        score = self.linear(h)
        c = _check_condition(c, self.condition)
        if c is None or self.projection is None:
            return score
        vectors = self.projection(c).unflatten(1, (-1, h.shape[1]))
        return score + (vectors * h[:, None]).sum(2)


def class_indicators(y: Tensor | None, classes: int, like: Tensor) -> Tensor | None:
    """Convert class indices `y` (N,) to one-hot vectors (N, classes); keep vectors as they are.

    Raises:
        ValueError: `y` is missing, unexpected or of another shape.
    """
    check_classes(y, classes)
    return None if y is None else one_hot(y, classes, like)


def _check_size(condition: int) -> None:
    if condition < 0:
        raise ValueError(f"condition: expected 0 (unconditional) or more, got {condition}")


def _check_condition(c: Tensor | None, condition: int) -> Tensor | None:
    if c is None and condition:
        raise ValueError(f"c: expected vectors (N, {condition}), got None")
    if c is not None:
        if not condition:
            raise ValueError(
                "c: expected None for an unconditional layer (condition=0), got a vector"
            )
        check_shape("c", c, (condition,))
    return c
