"""What objectives do to sets of samples and scores: distances, pairs."""

import torch
from torch import Tensor

from advlearn.core.critic_batch import CriticBatch, Samples, as_tuple, weighted_mean


def flat(samples: Samples) -> Tensor:
    """The floating-point parts of `samples` side by side, (N, d), in at least fp32; labels are left out."""
    parts = [
        p.flatten(1) if p.ndim > 1 else p[:, None]
        for p in as_tuple(samples)
        if p.is_floating_point()
    ]
    return torch.cat([p if p.dtype == torch.float64 else p.float() for p in parts], 1)


def pairs(batch: CriticBatch) -> int:
    """How many pairs the two sides make: the first min(N, M) samples of each meet in order."""
    real_scores, fake_scores = batch.scores
    return min(real_scores.shape[0], fake_scores.shape[0])


def mean_over_pairs(batch: CriticBatch, values: Tensor) -> Tensor:
    """Mean of `values` (n, ...) over pairs; a pair weighs the product of its samples' weights."""
    n = values.shape[0]
    sides = [w[:n] for w in (batch.real_weights, batch.fake_weights) if w is not None]
    return weighted_mean(values, torch.stack(sides).prod(0) if sides else None)
