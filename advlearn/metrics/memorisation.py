"""Detect samples that copy training data, by their distances to the training set."""

import warnings
from typing import NamedTuple

import torch
from torch import Tensor

from advlearn.core.arguments import Count, Share, checked
from advlearn.core.checks import check_number, describe_value
from advlearn.functional.distances import (
    Distances,
    distance_blocks,
    paired_distances,
    row_codes,
)
from advlearn.metrics._checks import pair, rows


class Nearest(NamedTuple):
    """Hold the nearest row of another set, or the k nearest.

    Attributes:
        distances: Float64 (N,) or (N, k), Euclidean, in the units of the features.
        indices: Int64 (N,) or (N, k), index of that row in the other set.
    """

    distances: Tensor
    indices: Tensor


class Memorisation(NamedTuple):
    """Compare how close samples and held-out data are to the training set.

    Attributes:
        copies: Float64 scalar in [0, 1], fraction of samples closer to a training sample than the
            quantile `level` of the held-out data: about `level` where nothing is copied.
        nearer: Float64 scalar in [0, 1], probability that a sample is closer to the training set
            than held-out data, ties counted half: 0.5 where nothing is copied, near 1 for copies.
        nearest: The nearest training sample of each sample, for plots.
        duplicates: Float64 scalar in [0, 1], fraction of the held-out data equal to a training
            sample.
    """

    copies: Tensor
    nearer: Tensor
    nearest: Nearest
    duplicates: Tensor


@checked
def nearest(samples: Tensor, train: Tensor) -> Nearest:
    """Find the nearest training sample of each sample.

    Args:
        samples: Float (N, d), features of samples, or the samples as vectors.
        train: Float (M, d), the same features of the training set, on the device of `samples`.

    Returns:
        Distances and indices; the first of equally near training samples.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, or values that are not finite.

    Example:
        >>> nearest(torch.tensor([[0.9], [4.0]]), torch.tensor([[0.0], [1.0], [2.0]])).indices
        tensor([1, 2])
    """
    first, second = pair(("samples", "train"), samples, train)
    best = first.new_full((len(first),), torch.inf)
    place = torch.zeros(len(first), dtype=torch.int64, device=first.device)
    # Blocks of the training set, which is usually larger, so that the work per block is small.
    distances = Distances(second, first)
    for here, block in distances.blocks():
        least = block.min(0)
        place = torch.where(least.values < best, least.indices + here.start, place)
        best = torch.minimum(best, least.values)
    place = _first_of_equal(second, distances.first.squares)[place]
    return Nearest(paired_distances(first, second, None, place), place)


@checked
def nearest_k(samples: Tensor, train: Tensor, k: Count) -> Nearest:
    """Find the k nearest training samples of each sample, in order of distance.

    Args:
        samples: Float (N, d), features of samples, or the samples as vectors.
        train: Float (M, d), the same features of the training set, on the device of `samples`.
        k: Number of neighbours, at most M.

    Returns:
        Distances and indices, (N, k).

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or fewer than k training samples.

    Example:
        >>> nearest_k(
        ...     torch.tensor([[0.9], [4.0]]), torch.tensor([[0.0], [1.0], [2.0]]), k=2
        ... ).indices
        tensor([[1, 0],
                [2, 1]])
    """
    first, second = pair(("samples", "train"), samples, train)
    if not 1 <= k <= len(second):
        raise ValueError(f"k: expected from 1 to the {len(second)} training samples, got {k}")
    best, place = (
        first.new_empty(len(first), 0),
        torch.empty(len(first), 0, dtype=torch.int64, device=first.device),
    )
    for here, block in distance_blocks(second, first):
        places = torch.arange(here.start, here.stop, device=first.device).expand(len(first), -1)
        distances, indices = torch.cat([best, block.T], 1), torch.cat([place, places], 1)
        best, kept = distances.topk(min(k, distances.shape[1]), 1, largest=False)
        place = indices.gather(1, kept)
    exact, order = _distances(first, second, place).sort(dim=1, stable=True)
    return Nearest(exact, place.gather(1, order))


def _first_of_equal(x: Tensor, squares: Tensor) -> Tensor:
    """Return for each row the index of the first row equal to it.

    Args:
        x: Rows (N, d).
        squares: A number of each row (N,) that is equal for equal rows, such as a squared norm.
    """
    places = torch.arange(len(x), device=x.device)
    # Codes of rows take several passes.
    if len(squares.unique()) == len(x):
        return places
    _, inverse = row_codes(x).unique(return_inverse=True)
    first = torch.full_like(places, len(x)).scatter_reduce(0, inverse, places, "amin")
    return first[inverse]


def _distances(x: Tensor, y: Tensor, places: Tensor) -> Tensor:
    """Compute the distances (N, k) of rows of `x` to the rows of `y` with indices (N, k)."""
    rows = torch.arange(len(x), device=x.device)[:, None].expand_as(places)
    return paired_distances(x, y, rows.flatten(), places.flatten()).view_as(places.double())


@checked
def memorisation(
    samples: Tensor, train: Tensor, held_out: Tensor, level: Share = 0.01
) -> Memorisation:
    r"""Compare the distances of samples and of held-out data to the training set.

    .. math::
        nearer = P(d(s) < d(h)) + \tfrac12 P(d(s) = d(h)),
        \qquad d(v) = \min_{t \in train} \|v - t\|

    Args:
        samples: Float (N, d), features of samples, or the samples as vectors.
        train: Float (M, d), the same features of the training set, on the device of `samples`.
        held_out: Float (K, d), the same features of data from the same distribution that is not
            in the training set.
        level: Quantile of the held-out distances below which a sample counts as a copy. Samples at
            the quantile count in part, so that held-out data has `level` copies, also with ties.

    Returns:
        Both measures, the nearest training samples, and the share of duplicates.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or a level that is not in (0, 1].

    Warns:
        UserWarning: A share `level` or more of the held-out data equals training samples.

    Example:
        >>> train, other = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.4], [1.7]])
        >>> copied = memorisation(train[:2], train, other)
        >>> copied.copies.item(), copied.nearer.item()
        (1.0, 1.0)

    Reference: Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in
    Generative Models", 2020, section 3 (the statistic of the Mann-Whitney test, over the whole
    space).

    Deviations: the fraction of pairs instead of its z-score, so that values do not grow with the
    number of samples.
    """
    check_number("level", level, low=0, high=1, open_low=True)
    other = rows("held_out", held_out)
    if other.shape[1] != samples.shape[-1]:
        raise ValueError(
            f"held_out: expected {samples.shape[-1]} columns like samples, "
            f"got {describe_value(held_out)}"
        )
    closest, reference = nearest(samples, train), nearest(held_out, train).distances.sort().values
    below = torch.searchsorted(reference, closest.distances, right=False)
    above = len(reference) - torch.searchsorted(reference, closest.distances, right=True)
    ties = len(reference) - below - above
    shares = (above + ties / 2) / len(reference)
    duplicates = (reference == 0).double().mean()
    if duplicates >= level:
        warnings.warn(
            f"held_out: expected under {level:.0%} of rows equal to a training row, got "
            f"{float(duplicates):.1%}; copies cannot be distinguished from these duplicates, so "
            "remove them from one of the sets",
            stacklevel=3,
        )
    copies = _copies(closest.distances, reference, level)
    return Memorisation(copies, shares.double().mean(), closest, duplicates)


def _copies(distances: Tensor, reference: Tensor, level: float) -> Tensor:
    """Return the share of distances below the quantile of the sorted reference.

    Distances equal to the quantile count by the part that makes the share of the reference itself
    equal to `level`.
    """
    limit = torch.quantile(reference, level)
    tied = (reference == limit).double().mean()
    part = (level - (reference < limit).double().mean()) / tied.clamp_min(1 / len(reference))
    equal = (distances == limit).double().mean()
    return (distances < limit).double().mean() + part.clamp(0.0, 1.0) * equal
