"""Toy distributions whose modes, and so the right answers, are known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from advlearn.data.array_dataset import ArrayDataset


@final
@dataclass(frozen=True, eq=False)
class Toy:
    """Samples of a mixture of isotropic Gaussians, and the mixture they came from.

    Args:
        source: The samples; a sample's label is the index of its mode.
        centres: Means of the modes, float32 (K, D).
        sigma: Standard deviation of every mode, in data units.
    """

    source: ArrayDataset
    centres: Tensor
    sigma: float


def ring(
    n: int = 100_000, modes: int = 8, radius: float = 1.0, sigma: float = 0.01, seed: int = 0
) -> Toy:
    r"""Gaussians at equal angles on a circle, centre k at radius (cos 2 pi k / modes, sin 2 pi k / modes).

    Args:
        n: Number of samples.
        modes: Number of Gaussians.
        radius: Radius of the circle.
        sigma: Standard deviation of each Gaussian.
        seed: Seed of a private generator.

    Returns:
        The samples (n, 2), the centres (modes, 2) and sigma.

    Raises:
        ValueError: `n` or `modes` below 1, or `sigma` below 0.

    Example:
        >>> toy = ring(n=1000, modes=4)
        >>> toy.source.shape, toy.centres.shape
        ((2,), torch.Size([4, 2]))

    Reference: Metz et al., "Unrolled Generative Adversarial Networks", 2017, section 3.1 (8
    Gaussians).
    """
    _at_least_one("modes", modes)
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    centres = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return _mixture(centres.float(), n, sigma, seed, "ring")


def grid(
    n: int = 100_000, side: int = 5, spacing: float = 2.0, sigma: float = 0.05, seed: int = 0
) -> Toy:
    """Gaussians on a square grid of side x side points around the origin.

    Args:
        n: Number of samples.
        side: Number of Gaussians along each axis.
        spacing: Distance of neighbouring centres.
        sigma: Standard deviation of each Gaussian.
        seed: Seed of a private generator.

    Returns:
        The samples (n, 2), the centres (side * side, 2) and sigma.

    Raises:
        ValueError: `n` or `side` below 1, or `sigma` below 0.

    Example:
        >>> grid(n=100, side=3).centres[0]
        tensor([-2., -2.])

    Reference: Dumoulin et al., "Adversarially Learned Inference", 2017, section 4.3 (25 Gaussians).
    """
    _at_least_one("side", side)
    axis = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) * spacing
    return _mixture(torch.cartesian_prod(axis, axis), n, sigma, seed, "grid")


def gaussian(n: int, mean: float | Sequence[float] | Tensor, std: float, seed: int = 0) -> Toy:
    """One isotropic Gaussian.

    Args:
        n: Number of samples.
        mean: Mean, (D,); a number is a mean in one dimension.
        std: Standard deviation along every axis.
        seed: Seed of a private generator.

    Returns:
        The samples (n, D), the centre (1, D) and the standard deviation.

    Raises:
        ValueError: `n` below 1, or `std` below 0.

    Example:
        >>> gaussian(10, mean=[1.0, 2.0, 3.0], std=0.5).source.shape
        (3,)
    """
    centre = torch.as_tensor(mean, dtype=torch.float32).reshape(1, -1)
    return _mixture(centre, n, std, seed, "gaussian")


def moons(n: int = 100_000, sigma: float = 0.05, seed: int = 0) -> ArrayDataset:
    """Two interleaved half circles of radius 1, around (0, 0) and (1, 0.5), with Gaussian noise.

    Args:
        n: Number of samples.
        sigma: Standard deviation of the noise.
        seed: Seed of a private generator.

    Returns:
        The samples (n, 2); labels 0 (upper half circle) and 1 (lower).

    Example:
        >>> moons(n=100).classes
        2
    """
    _at_least_one("n", n)
    _not_negative("sigma", sigma)
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (n,), generator=generator)
    angle = math.pi * torch.rand(n, generator=generator)
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    x = torch.where(y[:, None] == 0, upper, lower) + sigma * torch.randn(n, 2, generator=generator)
    return ArrayDataset(x, y, "moons", classes=2)


def _mixture(centres: Tensor, n: int, sigma: float, seed: int, name: str) -> Toy:
    _at_least_one("n", n)
    _not_negative("sigma", sigma)
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(len(centres), (n,), generator=generator)
    x = centres[y] + sigma * torch.randn(n, centres.shape[1], generator=generator)
    return Toy(ArrayDataset(x, y, name, classes=len(centres)), centres, float(sigma))


def _at_least_one(argument: str, value: int) -> None:
    if value < 1:
        raise ValueError(f"{argument}: expected at least 1, got {value}")


def _not_negative(argument: str, value: float) -> None:
    if not value >= 0:
        raise ValueError(f"{argument}: expected 0 or more, got {value}")
