"""Multilayer perceptrons: a plain one, a generator and a critic."""

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Literal, final

from torch import Tensor, nn

from advlearn.core.arguments import Count, Natural
from advlearn.nets.network import (
    EMBEDDING,
    Network,
    check_shape,
    embedding,
    join,
    positive,
    sizes,
    squeeze_score,
)

Activation = Literal["leaky_relu", "relu", "elu", "silu", "softplus", "tanh"]
Norm = Literal["none", "layer", "batch"]

_ACTIVATIONS: Mapping[str, Callable[[float], nn.Module]] = MappingProxyType(
    {
        "leaky_relu": nn.LeakyReLU,
        "relu": lambda _: nn.ReLU(),
        "elu": lambda _: nn.ELU(),
        "silu": lambda _: nn.SiLU(),
        "softplus": lambda _: nn.Softplus(),
        "tanh": lambda _: nn.Tanh(),
    }
)
_NORMS: Mapping[str, Callable[[int], nn.Module]] = MappingProxyType(
    {"layer": nn.LayerNorm, "batch": nn.BatchNorm1d, "none": lambda _: nn.Identity()}
)


@final
class MLP(Network):
    """Apply linear layers, with a norm and an activation after each except the last.

    Args:
        in_features: Size of the input.
        out_features: Size of the output.
        hidden: Sizes of the hidden layers.
        activation: One of "leaky_relu", "relu", "elu", "silu", "softplus", "tanh".
        negative_slope: Slope of "leaky_relu" below zero.
        norm: "none", "layer" or "batch"; not "batch" in a critic that has a penalty per sample.

    Raises:
        ValueError: A size below 1, or an unknown activation or norm.

    Example:
        >>> import torch
        >>> MLP(2, 3, hidden=(16,))(torch.zeros(5, 2)).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        in_features: Count,
        out_features: int,
        hidden: Sequence[int] = (256, 256, 256),
        activation: Activation = "leaky_relu",
        negative_slope: float = 0.2,
        norm: Norm = "none",
    ) -> None:
        super().__init__()
        positive(in_features=in_features, out_features=out_features)
        if activation not in _ACTIVATIONS:
            raise ValueError(
                f"activation: expected one of {', '.join(_ACTIVATIONS)}, got {activation!r}"
            )
        if norm not in _NORMS:
            raise ValueError(f"norm: expected one of {', '.join(_NORMS)}, got {norm!r}")
        self.in_features = in_features
        self.out_features = out_features
        self.hidden = sizes("hidden", hidden)
        self.activation: Activation = activation
        self.negative_slope = negative_slope
        self.norm: Norm = norm
        layers: list[nn.Module] = []
        for before, after in pairwise((in_features, *self.hidden)):
            layers.append(nn.Linear(before, after))
            if norm != "none":
                layers.append(_NORMS[norm](after))
            layers.append(_ACTIVATIONS[activation](negative_slope))
        layers.append(nn.Linear((in_features, *self.hidden)[-1], out_features))
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, in_features) to (N, out_features)."""
        return self.layers(x)


@final
class MLPGenerator(Network):
    """Generate samples of any shape from latents, concatenated to a class embedding if any.

    Args:
        latent: Size of the latent vector.
        shape: Shape of one sample.
        hidden: Sizes of the hidden layers.
        classes: Number of classes; 0 for an unconditional generator.
        tanh_output: End in tanh, for data in [-1, 1].

    Raises:
        ValueError: A size below 1; in `forward` latents of another size, or classes missing or
            superfluous.

    Example:
        >>> import torch
        >>> MLPGenerator(8, (1, 4, 4), classes=3)(
        ...     torch.zeros(5, 8), torch.zeros(5, dtype=torch.int64)
        ... ).shape
        torch.Size([5, 1, 4, 4])
    """

    def __init__(
        self,
        latent: Count,
        shape: Sequence[int],
        hidden: Sequence[int] = (256, 256, 256),
        classes: Natural = 0,
        tanh_output: bool = False,
    ) -> None:
        super().__init__()
        positive(latent=latent)
        self.latent = latent
        self.shape = sizes("shape", shape)
        self.hidden = sizes("hidden", hidden)
        self.classes = classes
        self.tanh_output = tanh_output
        self.embedding = embedding(classes)
        in_features = latent + (EMBEDDING if classes else 0)
        self.body = MLP(in_features, math.prod(self.shape), self.hidden)
        self.output = nn.Tanh() if tanh_output else nn.Identity()

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Map latents (N, latent), and int64 classes (N,) if any, to samples (N, *shape)."""
        check_shape("z", z, (self.latent,))
        return self.output(self.body(join(z, y, self.embedding))).unflatten(1, self.shape)


@final
class MLPCritic(Network):
    """Score flattened samples, concatenated to a class embedding if any; no norm.

    Args:
        shape: Shape of one sample.
        out_features: Scores per sample.
        hidden: Sizes of the hidden layers.
        classes: Number of classes; 0 for an unconditional critic.

    Raises:
        ValueError: A size below 1; in `forward` samples of another shape, or classes missing or
            superfluous.

    Example:
        >>> import torch
        >>> MLPCritic((2,))(torch.zeros(5, 2)).shape
        torch.Size([5])
    """

    def __init__(
        self,
        shape: Sequence[int],
        out_features: int = 1,
        hidden: Sequence[int] = (256, 256, 256),
        classes: Natural = 0,
    ) -> None:
        super().__init__()
        self.shape = sizes("shape", shape)
        self.out_features = out_features
        self.hidden = sizes("hidden", hidden)
        self.classes = classes
        self.embedding = embedding(classes)
        in_features = math.prod(self.shape) + (EMBEDDING if classes else 0)
        self.body = MLP(in_features, out_features, self.hidden)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Score samples (N, *shape): (N,) for one score per sample, else (N, out_features)."""
        check_shape("x", x, self.shape)
        return squeeze_score(self.body(join(x.flatten(1), y, self.embedding)))
