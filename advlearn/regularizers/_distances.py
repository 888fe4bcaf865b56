"""Distances between sets of vectors."""

import torch
from torch import Tensor

# Up to this dimension differences are taken one by one: exact for near points, and still small in
# memory.
_DIRECT = 8


def squared_distances(x: Tensor, y: Tensor) -> Tensor:
    """Squared Euclidean distances of `x` (N, d) and `y` (M, d): (N, M), twice differentiable."""
    if x.shape[1] <= _DIRECT:
        return (x[:, None] - y[None]).square().sum(2)
    centre = y.detach().mean(
        0
    )  # a shift changes no distance, but the rounding of what cancels below
    x, y = x - centre, y - centre
    with torch.autocast(x.device.type, enabled=False):  # what cancels must not be rounded to bf16
        products = x @ y.T
    return (x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * products).clamp(min=0)
