"""Two-dimensional data of the lab, in a square of about two units."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from advlearn.data import toy
from advlearn.data.array_dataset import ArrayDataset

SAMPLES = 4000


class Shape(NamedTuple):
    """Samples of a distribution, and its modes where they are known.

    Attributes:
        x: Samples, float32 (N, 2).
        centres: Means of the modes (K, 2), or None.
        sigma: Standard deviation of each mode; 0 without modes.
    """

    x: Tensor
    centres: Tensor | None = None
    sigma: float = 0.0


def draw(data: dict[str, Any], seed: int) -> Shape:
    """Draw the samples that the settings of the data describe.

    Example:
        >>> draw({"shape": "ring", "points": []}, seed=0).x.shape
        torch.Size([4000, 2])
    """
    if data["shape"] == "points":
        return Shape(torch.tensor(data["points"], dtype=torch.float32))
    if data["shape"] == "moons":
        x = toy.moons(SAMPLES, sigma=0.08, seed=seed).x
        return Shape((x - torch.tensor([0.5, 0.25])) * 0.6)
    if data["shape"] == "spirals":
        return Shape(spirals(SAMPLES, seed=seed))
    if data["shape"] == "ring":
        made = toy.ring(SAMPLES, modes=8, radius=0.8, sigma=0.04, seed=seed)
    else:
        made = toy.grid(SAMPLES, side=5, spacing=0.4, sigma=0.03, seed=seed)
    return Shape(made.data.x, made.centres, made.sigma)


def spirals(n: int, sigma: float = 0.03, seed: int = 0) -> Tensor:
    """Draw from two spiral arms of one and a half turns, with noise: (n, 2).

    Example:
        >>> spirals(10).shape
        torch.Size([10, 2])
    """
    generator = torch.Generator().manual_seed(seed)
    t = torch.rand(n, generator=generator).sqrt()
    arm = torch.randint(2, (n,), generator=generator) * math.pi
    angle = 3 * math.pi * t + arm
    x = 0.95 * t[:, None] * torch.stack([angle.cos(), angle.sin()], 1)
    return x + sigma * torch.randn(n, 2, generator=generator)


def dataset(x: Tensor, y: Tensor | None = None, name: str = "points") -> ArrayDataset:
    """Return points as data that batches are drawn from."""
    return ArrayDataset(x, y, name, classes=0 if y is None else int(y.max()) + 1)
