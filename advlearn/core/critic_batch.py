"""A critic's scores of two sets of samples, with the operations on both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.samples import (
    Samples,
    as_tuple,
    carries_gradient,
    count,
    detach,
    matched,
    rows,
)
from advlearn.core.scores import Critic, Maps, OneOutput, Outputs, score, score_both

__all__ = [
    "Critic",
    "CriticBatch",
    "Samples",
    "as_tuple",
    "carries_gradient",
    "count",
    "detach",
    "matched",
    "mixes_samples",
    "per_sample",
    "rows",
    "score",
    "score_both",
    "weighted_mean",
]


@final
@dataclass(frozen=True, slots=True)
class CriticBatch:
    """Hold a critic, the two sets of samples it compares, and their scores.

    Args:
        critic: Callable that scores samples; a tuple gives its positional arguments, a dict its
            keyword arguments.
        real: Samples of the real, expert or source side: a tensor (N, ...), or a tuple, list or
            dict of them.
        fake: Samples of the fake, policy or target side, (M, ...), of the same structure.
        real_scores: Scores of `real`, (N,) or (N, ...), float; None where the generator's
            loss does not need them. An objective has the scores of one output of the critic, a
            regularizer those of all outputs, joined to (N, total) where there are several.
        fake_scores: Scores of `fake`, (M,) or (M, ...), float.
        real_weights: Weights of `real`, (N,) or of the shape of its scores; None for equal ones.
        fake_weights: Weights of `fake`, (M,) or of the shape of its scores; None for equal ones.
        real_features: Feature maps of `real`, one tuple for each output; empty where the critic
            returns none.
        fake_features: Feature maps of `fake`.
        point_scores: Scores of the samples that `Regularizer.points` returned, all outputs joined;
            None where they were not scored with both sides.
        inputs_require_grad: Whether the scores carry a graph to the floating-point tensors of
            `real` and `fake`, for penalties on the critic's gradient.
    """

    critic: Critic
    real: Samples
    fake: Samples
    real_scores: Tensor | None
    fake_scores: Tensor
    real_weights: Tensor | None = None
    fake_weights: Tensor | None = None
    real_features: Maps = ()
    fake_features: Maps = ()
    inputs_require_grad: bool = False
    point_scores: Tensor | None = None

    @property
    def scores(self) -> tuple[Tensor, Tensor]:
        """Return both sets of scores, for objectives that compare the two sides."""
        if self.real_scores is None:
            raise ValueError(
                "real_scores: expected scores, since this objective compares both sides, got None"
            )
        return self.real_scores, self.fake_scores

    def mean_real(self, values: Tensor) -> Tensor:
        """Compute the weighted mean over the real side of `values`, (N,) or (N, ...): a scalar."""
        return weighted_mean(values, self.real_weights)

    def mean_fake(self, values: Tensor) -> Tensor:
        """Compute the weighted mean over the fake side of `values`, (M,) or (M, ...): a scalar."""
        return weighted_mean(values, self.fake_weights)

    def with_positive_weights(self) -> tuple["CriticBatch", Tensor | None]:
        """Return the batch with weights of one where all weights of a side are zero.

        Returns:
            The batch, and a scalar that is 0 where weights were replaced and else 1; None without
            weights. A loss times this scalar has no value and no gradient for an empty side.
        """
        if self.real_weights is None and self.fake_weights is None:
            return self, None
        valid = self.fake_scores.new_ones(())
        sides: list[Tensor | None] = []
        for weights in (self.real_weights, self.fake_weights):
            if weights is not None:
                empty = weights.detach().sum() == 0
                weights = torch.where(empty, torch.ones_like(weights), weights)
                valid = valid * ~empty
            sides.append(weights)
        return replace(self, real_weights=sides[0], fake_weights=sides[1]), valid

    def gathered(self) -> "CriticBatch":
        """Return the batch with the scores and weights of all processes."""
        if distributed.world_size() == 1:
            return self
        real_scores, real_weights, fake_weights = (
            None if values is None else distributed.gather(values)
            for values in (self.real_scores, self.real_weights, self.fake_weights)
        )
        return replace(
            self,
            real_scores=real_scores,
            fake_scores=distributed.gather(self.fake_scores),
            real_weights=real_weights,
            fake_weights=fake_weights,
        )


def weighted_mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """Average `values` over all elements, each counted by its weight.

    Args:
        values: Values (N, ...), or one per sample (N,).
        weights: Weights of the samples (N,), weights of the elements in the shape of `values`, or
            None for equal ones. Weights that are all zero give zero.

    Raises:
        ValueError: If the weights have another shape.
    """
    if weights is None:
        return values.mean()
    if weights.ndim > 1 and weights.shape != values.shape:
        raise ValueError(
            f"weights: expected one for each sample, ({len(values)},), since this loss averages "
            f"the scores of a sample first, got {tuple(weights.shape)}"
        )
    weighted = (per_sample(values) if weights.ndim == 1 else values) * weights
    # Dividing by the mean of the processes' sums makes averaged gradients those of the joined
    # batch.
    total = distributed.mean(weights.sum())
    return weighted.sum() / torch.where(total == 0, torch.ones_like(total), total)


def per_sample(values: Tensor) -> Tensor:
    """Average `values` (N, ...) over all dimensions but the first: (N,)."""
    if values.ndim == 1:
        return values
    flat = values.flatten(1)
    # A view of a single column costs no kernel.
    return flat[:, 0] if flat.shape[1] == 1 else flat.mean(1)


def mixes_samples(critic: nn.Module) -> bool:
    """Return whether a layer is known to mix the samples of a batch, as batch normalisation does.

    Real and fake samples are then scored separately. A custom layer declares it with a class
    attribute ``mixes_samples = True``; the head also finds out at its first call.
    """
    batch_norm = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]  (the one common base)
    return any(
        isinstance(m, batch_norm) or getattr(m, "mixes_samples", False) for m in critic.modules()
    )


def joined_batch(
    critic: Critic,
    sides: tuple[Samples, Samples],
    outputs: tuple[Outputs | None, Outputs],
    weights: tuple[Tensor | None, Tensor | None],
    *,
    inputs_require_grad: bool = False,
) -> CriticBatch:
    """Return the batch of the regularizers, with the scores of all outputs joined."""
    real, fake = outputs
    return CriticBatch(
        critic,
        *sides,
        None if real is None else real.joined(),
        fake.joined(),
        *weights,
        () if real is None else real.features,
        fake.features,
        inputs_require_grad,
    )


def batches_of_outputs(
    critic: Critic,
    sides: tuple[Samples, Samples],
    outputs: tuple[Outputs | None, Outputs],
    weights: tuple[Tensor | None, Tensor | None],
) -> list[CriticBatch]:
    """Return one batch for each output of the critic, for the objective."""
    real, fake = outputs
    several = len(fake.scores) > 1
    return [
        CriticBatch(
            OneOutput(critic, i) if several else critic,
            *sides,
            None if real is None else real.scores[i],
            fake.scores[i],
            *weights,
        )
        for i in range(len(fake.scores))
    ]


def mean_of(values: Sequence[Tensor]) -> Tensor:
    """Average tensors of one shape; a single one stays as it is."""
    return values[0] if len(values) == 1 else torch.stack(list(values)).mean(0)
