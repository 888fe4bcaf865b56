"""Helpers that flatten samples and pair the samples of two sides."""

import torch
from torch import Tensor

from advlearn.core.critic_batch import CriticBatch, Samples, as_tuple, weighted_mean


def flat(samples: Samples) -> Tensor:
    """Concatenate the floating-point parts of `samples` to (N, d), in at least fp32."""
    parts = [
        p.flatten(1) if p.ndim > 1 else p[:, None]
        for p in as_tuple(samples)
        if p.is_floating_point()
    ]
    return torch.cat([p if p.dtype == torch.float64 else p.float() for p in parts], 1)


def pairs(batch: CriticBatch) -> int:
    """Count the pairs of real and fake samples: the first min(N, M) of each side, in order."""
    real_scores, fake_scores = batch.scores
    return min(real_scores.shape[0], fake_scores.shape[0])


def mean_over_pairs(batch: CriticBatch, values: Tensor) -> Tensor:
    """Average `values` (n, ...) over pairs, weighted by the product of the samples' weights."""
    n = values.shape[0]
    sides = [w[:n] for w in (batch.real_weights, batch.fake_weights) if w is not None]
    return weighted_mean(values, torch.stack(sides).prod(0) if sides else None)
