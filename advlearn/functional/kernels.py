"""Kernels between sets of vectors, summed over a mixture of scales.

With d the Euclidean distance:

- ``"rbf"``: ``exp(-d^2 / (2 b^2))``; by default b is 1/4, 1, 4 and 16 times the median distance
  between two samples of the first set.
- ``"rational_quadratic"``: ``(1 + d^2 / (2 a))^-a``; by default a is 0.2, 0.5, 1, 2 and 5.
- ``"energy"``: ``-d``, which has no scale.
"""

from typing import Literal

import torch
from torch import Tensor

from advlearn.core.checks import check_choice, check_number
from advlearn.functional.distances import safe_sqrt, squared_distances

Kernel = Literal["rbf", "rational_quadratic", "energy"]
KERNELS = ("rbf", "rational_quadratic", "energy")
# Multiples of the median distance: wide kernels give distant fakes a gradient, narrow ones
# resolve detail.
MULTIPLES = (0.25, 1.0, 4.0, 16.0)
ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)  # Binkowski et al. 2018, section 5
# Largest number of rows for the median, and entries of one block of differences (64 MiB in fp32).
_MEDIAN_OF = 2048
_BLOCK = 1 << 24


def check(
    kernel: str, bandwidths: tuple[float, ...] | None
) -> tuple[str, tuple[float, ...] | None]:
    """Check a kernel's name and bandwidths, and return them."""
    check_choice("kernel", kernel, KERNELS)
    if bandwidths is None:
        return kernel, None
    if kernel == "energy":
        raise ValueError(
            f"bandwidths: expected None, the energy kernel has no scale, got {bandwidths!r}"
        )
    if not isinstance(bandwidths, tuple | list) or not bandwidths:
        raise ValueError(
            f"bandwidths: expected a tuple of positive numbers or None, got {bandwidths!r}"
        )
    return kernel, tuple(check_number("bandwidths", b, low=0, open_low=True) for b in bandwidths)


def scales(
    kernel: str, bandwidths: tuple[float, ...] | None, real: Tensor
) -> list[float] | list[Tensor]:
    """Return the scales of the mixture.

    The default of the RBF kernel depends on the real side only, so that a generator cannot lower
    the distance by changing the scale.

    Args:
        kernel: Name of the kernel.
        bandwidths: The scales, or None for the defaults.
        real: The first set, (N, d).
    """
    if bandwidths is not None:
        return list(bandwidths)
    if kernel == "energy":
        return []
    if kernel != "rbf":
        return list(ALPHAS)
    median = median_distance(real)
    return [multiple * median for multiple in MULTIPLES]


def median_distance(x: Tensor) -> Tensor:
    """Compute the median distance between two different rows of `x` (N, d); above zero.

    Above 2,048 rows, an evenly spaced subset is used.
    """
    x = x[:: -(-len(x) // _MEDIAN_OF)]
    rows, columns = torch.triu_indices(len(x), len(x), 1, device=x.device)
    median = safe_sqrt(squared_distances(x, x)[rows, columns].median())
    return median.clamp(min=torch.finfo(x.dtype).eps)


def of_squared(kernel: str, mixture: list[float] | list[Tensor], squared: Tensor) -> Tensor:
    """Compute the kernel of squared distances, summed over the mixture; same shape."""
    if kernel == "energy":
        return -safe_sqrt(squared)
    if kernel == "rbf":
        parts = [(-squared / (2 * s * s)).exp() for s in mixture]
    else:
        parts = [(1 + squared / (2 * a)) ** -a for a in mixture]
    return torch.stack(parts).sum(0)


def values(kernel: str, mixture: list[float] | list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Compute the kernel between `x` (N, d) and `y` (M, d), summed over the mixture: (N, M)."""
    return of_squared(kernel, mixture, squared_distances(x, y))


def mean_within(kernel: str, mixture: list[float] | list[Tensor], x: Tensor) -> Tensor:
    """Compute the mean of the kernel over pairs of two different rows of `x` (N, d)."""
    n = x.shape[0]
    same = torch.eye(n, dtype=torch.bool, device=x.device)
    # `masked_fill` also removes the gradient there, where the energy kernel has an infinite slope.
    return values(kernel, mixture, x, x).masked_fill(same, 0.0).sum() / (n * (n - 1))


def witness(
    kernel: str, mixture: list[float] | list[Tensor], points: Tensor, real: Tensor, fake: Tensor
) -> Tensor:
    """Compute the mean kernel to `real` minus that to `fake` at `points` (K, d): (K,).

    Points are taken in blocks, so that large sets fit into memory.
    """
    height = max(1, _BLOCK // (max(len(real), len(fake)) * points.shape[1]))
    parts = [
        values(kernel, mixture, part, real).mean(1) - values(kernel, mixture, part, fake).mean(1)
        for part in points.split(height)
    ]
    return torch.cat(parts)
