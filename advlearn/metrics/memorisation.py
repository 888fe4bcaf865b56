"""Whether samples are copies of the training set: how near they come to it, against how near other real ones do."""

from typing import NamedTuple

import torch
from torch import Tensor

from advlearn.core.checks import check_number, describe_value
from advlearn.metrics._checks import pair, rows
from advlearn.metrics._distances import distance_blocks


class Nearest(NamedTuple):
    """The nearest row of another set, or the k nearest.

    Attributes:
        distances: Float64 (N,) or (N, k), Euclidean, in the units of the features.
        indices: Int64 (N,) or (N, k), place of that row in the other set.
    """

    distances: Tensor
    indices: Tensor


class Memorisation(NamedTuple):
    """Samples and held-out data, each by how near it comes to the training set.

    Attributes:
        copies: Float64 scalar in [0, 1], share of samples nearer to a training sample than all but
            a share `level` of the held-out data are: near `level` where nothing was copied.
        nearer: Float64 scalar in [0, 1], how often a sample is nearer to the training set than
            held-out data is, ties counted half: 0.5 where nothing was copied, towards 1 for copies.
        nearest: The nearest training sample of each sample, for a picture.
    """

    copies: Tensor
    nearer: Tensor
    nearest: Nearest


def nearest(samples: Tensor, train: Tensor) -> Nearest:
    """Find the nearest training sample of each sample.

    Args:
        samples: Float (N, d), features of samples, or the samples as vectors.
        train: Float (M, d), the training set likewise, on the device of `samples`.

    Returns:
        Distances and places; of training samples that are equally near, the first.

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
    # Blocks of the training set, the larger one as a rule, so that a block's preparation is of the
    # smaller.
    for here, block in distance_blocks(second, first):
        least = block.min(0)
        place = torch.where(least.values < best, least.indices + here.start, place)
        best = torch.minimum(best, least.values)
    return Nearest(best, place)


def nearest_k(samples: Tensor, train: Tensor, k: int) -> Nearest:
    """Find the k nearest training samples of each sample, the nearest first.

    Args:
        samples: Float (N, d), features of samples, or the samples as vectors.
        train: Float (M, d), the training set likewise, on the device of `samples`.
        k: How many, at most M.

    Returns:
        Distances and places, (N, k).

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
        both, their = torch.cat([best, block.T], 1), torch.cat([place, places], 1)
        best, kept = both.topk(min(k, both.shape[1]), 1, largest=False)
        place = their.gather(1, kept)
    return Nearest(best, place)


def memorisation(
    samples: Tensor, train: Tensor, held_out: Tensor, level: float = 0.01
) -> Memorisation:
    r"""Compare the distances of samples to the training set with those of data that was held out.

    .. math:: nearer = P(d(s) < d(h)) + \tfrac12 P(d(s) = d(h)), \qquad d(v) = \min_{t \in train} \|v - t\|

    Args:
        samples: Float (N, d), features of samples, or the samples as vectors.
        train: Float (M, d), the training set likewise, on the device of `samples`.
        held_out: Float (K, d), data of the same law that was not trained on, likewise.
        level: Share of held-out data that is taken for copies.

    Returns:
        The two shares, and the nearest training samples.

    Raises:
        TypeError: Not float tensors.
        ValueError: Wrong shapes, values that are not finite, or a level that is not in (0, 1].

    Example:
        >>> train, other = torch.tensor([[0.0], [1.0], [2.0]]), torch.tensor([[0.4], [1.7]])
        >>> copied = memorisation(train[:2], train, other)
        >>> copied.copies.item(), copied.nearer.item()
        (1.0, 1.0)

    Reference: Meehan, Chaudhuri, Dasgupta, "A Non-Parametric Test to Detect Data-Copying in
    Generative Models", 2020, section 3 (the statistic of the Mann-Whitney test, over all of space
    at once).

    Deviations: the share of pairs itself, not its z-score, so that values do not grow with the
    number of samples.
    """
    check_number("level", level, low=0, high=1, open_low=True)
    other = rows("held_out", held_out)
    if other.shape[1] != samples.shape[-1]:
        raise ValueError(
            f"held_out: expected {samples.shape[-1]} columns as in samples, got {describe_value(held_out)}"
        )
    ours, theirs = nearest(samples, train), nearest(held_out, train).distances.sort().values
    below = torch.searchsorted(theirs, ours.distances, right=False)
    above = len(theirs) - torch.searchsorted(theirs, ours.distances, right=True)
    ties = len(theirs) - below - above
    shares = (above + ties / 2) / len(theirs)
    copies = (ours.distances < torch.quantile(theirs, level)).double().mean()
    return Memorisation(copies, shares.double().mean(), ours)
