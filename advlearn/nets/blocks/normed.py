"""Layers with a norm of their weights, and stacks of layers whose maps are kept."""

from collections.abc import Iterable
from typing import Literal

from torch import Tensor, nn
from torch.nn.functional import leaky_relu
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

WeightNorm = Literal["weight", "spectral", "none"]
NORMS: tuple[WeightNorm, ...] = ("weight", "spectral", "none")

CriticMaps = tuple[list[Tensor], list[list[Tensor]]]
"""Logits of each sub-critic, and for each of them the maps of its layers."""


def normed(layer: nn.Module, norm: WeightNorm) -> nn.Module:
    """Put weight normalisation or spectral normalisation on a layer, in place.

    Args:
        layer: A linear or convolution layer.
        norm: ``"weight"``, ``"spectral"`` or ``"none"``.

    Returns:
        The layer.

    Example:
        >>> sorted(name for name, _ in normed(nn.Linear(2, 3), "weight").named_parameters())
        ['bias', 'parametrizations.weight.original0', 'parametrizations.weight.original1']
    """
    wrappers = {"weight": weight_norm, "spectral": spectral_norm, "none": lambda layer: layer}
    return wrappers[norm](layer)


def check_norm(norm: str) -> None:
    """Raise a ValueError of one line unless `norm` is a known norm of weights."""
    if norm not in NORMS:
        raise ValueError(f"norm: expected weight, spectral or none, got {norm!r}")


def activations(layers: Iterable[nn.Module], x: Tensor, slope: float) -> list[Tensor]:
    """Run layers, each followed by a leaky ReLU, and return the map after each of them.

    Example:
        >>> import torch
        >>> [float(h) for h in activations([nn.Identity(), nn.Identity()], -torch.ones(()), 0.5)]
        [-0.5, -0.25]
    """
    maps: list[Tensor] = []
    for layer in layers:
        x = leaky_relu(layer(x), slope)
        maps.append(x)
    return maps
