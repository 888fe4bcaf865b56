"""Fidelity and diversity of samples by nearest neighbours: precision, recall, density, coverage."""

from typing import NamedTuple

import torch
from torch import Tensor

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import check_count
from advlearn.functional.distances import Distances, below
from advlearn.metrics._checks import pair


class PrecisionRecall(NamedTuple):
    """Hold the precision and recall of a generator.

    Attributes:
        precision: Float64 scalar in [0, 1], fraction of generated samples within the real manifold.
        recall: Float64 scalar in [0, 1], fraction of real samples within the generated manifold.
    """

    precision: Tensor
    recall: Tensor


class DensityCoverage(NamedTuple):
    """Hold the density and coverage of a generator.

    Attributes:
        density: Float64 scalar, at least 0 and possibly above 1; its mean is 1 for equal
            distributions.
        coverage: Float64 scalar in [0, 1], fraction of real samples with a generated one in their
            neighbourhood.
    """

    density: Tensor
    coverage: Tensor


@checked
def precision_recall(real: Tensor, fake: Tensor, k: Count = 3) -> PrecisionRecall:
    r"""Compute improved precision and recall, with manifolds made of balls around the samples.

    The ball of a sample reaches to its k-th nearest other sample of the same set, boundary
    included. Precision is the fraction of fake samples in at least one real ball, recall the
    fraction of real samples in at least one fake ball.

    Args:
        real: Float (N, d), features of real images, N above k.
        fake: Float (M, d), features of generated images, M above k, on the device of `real`; M = N
            is usual.
        k: Neighbour that sets the radius. Values depend on k and N: compare only at equal k and N.

    Returns:
        Precision and recall.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or not more than `k` samples.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
        >>> result = precision_recall(real, torch.tensor([[0.5], [1.5], [2.6]]), k=1)
        >>> round(result.precision.item(), 4), result.recall.item()
        (1.0, 0.75)

    Reference: Kynkaanniemi et al., "Improved Precision and Recall Metric for Assessing Generative
    Models", NeurIPS 2019, equations 1 and 2.
    """
    first, second = pair(("real", "fake"), real, fake, at_least=check_count("k", k) + 1)
    distances = Distances(first, second)
    real_radius, fake_radius = (own.radius(k) for own in distances.own())
    inside_real = torch.zeros(second.shape[0], dtype=torch.bool, device=second.device)
    inside_fake = torch.zeros(first.shape[0], dtype=torch.bool, device=first.device)
    for here, block in distances.blocks():
        inside_real |= below(distances, here, block, real_radius, boundary=True).any(dim=0)
        near = below(distances, here, block, fake_radius, "columns", boundary=True)
        inside_fake[here] = near.any(dim=1)
    return PrecisionRecall(inside_real.double().mean(), inside_fake.double().mean())


@checked
def density_coverage(real: Tensor, fake: Tensor, k: Count = 5) -> DensityCoverage:
    r"""Compute density and coverage, with balls around the real samples only.

    The open ball B_n of a real sample reaches to its k-th nearest other real sample. Density is
    1/(k M) sum_m sum_n 1[fake_m in B_n]; coverage is 1/N sum_n 1[some fake_m in B_n]. For equal
    distributions the mean density is 1 and the mean coverage is about 1 - 2^(-k) at N = M.

    Args:
        real: Float (N, d), features of real images, N above k.
        fake: Float (M, d), features of generated images, on the device of `real`; M = N is usual.
        k: Neighbour that sets the radius.

    Returns:
        Density and coverage.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or not more than `k` real samples.

    Example:
        >>> real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
        >>> result = density_coverage(real, torch.tensor([[0.5], [1.5], [30.0], [9.0]]), k=1)
        >>> result.density.item(), result.coverage.item()
        (1.25, 1.0)

    Reference: Naeem et al., "Reliable Fidelity and Diversity Metrics for Generative Models", ICML
    2020, section 3.2.

    Deviations: none. The ball excludes its boundary, like the authors' code and unlike
    `precision_recall`.
    """
    first, second = pair(("real", "fake"), real, fake)
    if first.shape[0] <= check_count("k", k):
        raise ValueError(f"real: expected more than k = {k} samples, got {first.shape[0]}")
    distances = Distances(first, second)
    radius = distances.own()[0].radius(k)
    hits = first.new_zeros(first.shape[0])
    for here, block in distances.blocks():
        hits[here] = below(distances, here, block, radius).sum(dim=1)
    return DensityCoverage(hits.sum() / (k * second.shape[0]), (hits > 0).double().mean())
