"""Kernels between sets of embedded samples."""

from typing import Literal

import torch
from torch import Tensor

from advlearn.core.checks import check_choice, check_number
from advlearn.objectives._samples import distances
from advlearn.regularizers._distances import squared_distances

Kernel = Literal["rbf", "rational_quadratic", "energy"]
KERNELS = ("rbf", "rational_quadratic", "energy")
# Of the median distance: the wide ones still pull where fakes are far away, the narrow ones see
# detail.
MULTIPLES = (0.25, 1.0, 4.0, 16.0)
ALPHAS = (0.2, 0.5, 1.0, 2.0, 5.0)  # Binkowski et al. 2018, section 5


def check(
    kernel: str, bandwidths: tuple[float, ...] | None
) -> tuple[str, tuple[float, ...] | None]:
    """Check a kernel's name and bandwidths, or raise one line."""
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
    """Scales of the mixture; by default the RBF's are multiples of the median distance within `real`.

    Only the real side sets them, so that the player cannot win by moving the ruler.
    """
    if bandwidths is not None:
        return list(bandwidths)
    if kernel != "rbf":
        return list(ALPHAS)
    n = real.shape[0]
    rows, columns = torch.triu_indices(n, n, 1, device=real.device)
    median = distances(squared_distances(real, real)[rows, columns].median())
    median = median.clamp(min=torch.finfo(real.dtype).eps)
    return [multiple * median for multiple in MULTIPLES]


def values(kernel: str, mixture: list[float] | list[Tensor], x: Tensor, y: Tensor) -> Tensor:
    """Kernel between `x` (N, d) and `y` (M, d), summed over the mixture: (N, M)."""
    squared = squared_distances(x, y)
    if kernel == "energy":
        return -distances(squared)
    if kernel == "rbf":
        parts = [(-squared / (2 * s * s)).exp() for s in mixture]
    else:
        parts = [(1 + squared / (2 * a)) ** -a for a in mixture]
    return torch.stack(parts).sum(0)


def mean_within(kernel: str, mixture: list[float] | list[Tensor], x: Tensor) -> Tensor:
    """Mean of the kernel over pairs of two different rows of `x` (N, d): a scalar."""
    n = x.shape[0]
    same = torch.eye(n, dtype=torch.bool, device=x.device)
    # Filling also cuts the gradient there, where rounding would meet the energy kernel's infinite
    # slope.
    return values(kernel, mixture, x, x).masked_fill(same, 0.0).sum() / (n * (n - 1))


def witness(
    kernel: str, mixture: list[float] | list[Tensor], points: Tensor, real: Tensor, fake: Tensor
) -> Tensor:
    """Mean kernel to `real` less mean kernel to `fake`, at each of `points` (K, d): (K,)."""
    to_real = values(kernel, mixture, points, real).mean(1)
    return to_real - values(kernel, mixture, points, fake).mean(1)
