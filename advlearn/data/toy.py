"""Toy distributions with known modes."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from advlearn.core.arguments import Count, NonNegative, Positive, Seed, checked
from advlearn.core.checks import check_count, check_number
from advlearn.data.array_dataset import ArrayDataset


@checked
@final
@dataclass(frozen=True, eq=False)
class Toy:
    """Hold samples of a mixture of isotropic Gaussians and its parameters.

    Args:
        data: The samples; a sample's label is the index of its mode.
        centres: Means of the modes, float32 (K, D).
        sigma: Standard deviation of every mode, in data units.
    """

    data: ArrayDataset
    centres: Tensor
    sigma: float


@checked
def ring(
    n: Count = 100_000,
    modes: Count = 8,
    radius: Positive = 1.0,
    sigma: NonNegative = 0.01,
    seed: Seed = 0,
) -> Toy:
    r"""Draw from Gaussians at equal angles on a circle.

    .. math:: c_k = R\,(\cos(2 \pi k / K), \sin(2 \pi k / K))

    Args:
        n: Number of samples.
        modes: Number of Gaussians K.
        radius: Radius of the circle R.
        sigma: Standard deviation of each Gaussian.
        seed: Seed of a private generator.

    Returns:
        The samples (n, 2), the centres (modes, 2) and sigma.

    Raises:
        ValueError: `n` or `modes` below 1, or `sigma` below 0.

    Example:
        >>> toy = ring(n=1000, modes=4)
        >>> toy.data.shape, toy.centres.shape
        ((2,), torch.Size([4, 2]))

    Reference: Metz et al., "Unrolled Generative Adversarial Networks", 2017, section 3.1 (8
    Gaussians).
    """
    check_count("modes", modes)
    angle = torch.arange(modes, dtype=torch.float64) * (2 * math.pi / modes)
    centres = radius * torch.stack([angle.cos(), angle.sin()], dim=1)
    return _mixture(centres.float(), n, sigma, seed, "ring")


@checked
def grid(
    n: Count = 100_000,
    side: Count = 5,
    spacing: Positive = 2.0,
    sigma: NonNegative = 0.05,
    seed: Seed = 0,
) -> Toy:
    """Draw from Gaussians on a square grid of side x side points around the origin.

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
    check_count("side", side)
    axis = (torch.arange(side, dtype=torch.float32) - (side - 1) / 2) * spacing
    return _mixture(torch.cartesian_prod(axis, axis), n, sigma, seed, "grid")


@checked
def gaussian(
    n: Count, mean: float | Sequence[float] | Tensor, std: NonNegative, seed: Seed = 0
) -> Toy:
    """Draw from one isotropic Gaussian.

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
        >>> gaussian(10, mean=[1.0, 2.0, 3.0], std=0.5).data.shape
        (3,)
    """
    check_number("std", std, low=0)
    centre = torch.as_tensor(mean, dtype=torch.float32).reshape(1, -1)
    return _mixture(centre, n, std, seed, "gaussian")


@checked
def moons(n: Count = 100_000, sigma: NonNegative = 0.05, seed: Seed = 0) -> ArrayDataset:
    """Draw from two interleaved half circles of radius 1, around (0, 0) and (1, 0.5), with noise.

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
    check_count("n", n)
    check_number("sigma", sigma, low=0)
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(2, (n,), generator=generator)
    angle = math.pi * torch.rand(n, generator=generator)
    upper = torch.stack([angle.cos(), angle.sin()], dim=1)
    lower = torch.stack([1 - angle.cos(), 0.5 - angle.sin()], dim=1)
    x = torch.where(y[:, None] == 0, upper, lower) + sigma * torch.randn(n, 2, generator=generator)
    return ArrayDataset(x, y, "moons", classes=2)


def _mixture(centres: Tensor, n: int, sigma: float, seed: int, name: str) -> Toy:
    check_count("n", n)
    check_number("sigma", sigma, low=0)
    generator = torch.Generator().manual_seed(seed)
    y = torch.randint(len(centres), (n,), generator=generator)
    x = centres[y] + sigma * torch.randn(n, centres.shape[1], generator=generator)
    return Toy(ArrayDataset(x, y, name, classes=len(centres)), centres, float(sigma))
