"""A critic's scores of two sets of samples, with the operations on both."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.modules import eval_mode

Samples = Tensor | tuple[Tensor, ...]
Critic = Callable[..., Tensor]


@final
@dataclass(frozen=True, slots=True)
class CriticBatch:
    """Hold a critic, the two sets of samples it compares, and their scores.

    Args:
        critic: Callable that scores samples; a tuple of samples is unpacked into its arguments.
        real: Samples of the real, expert or source side: a tensor (N, ...) or a tuple of them.
        fake: Samples of the fake, policy or target side: a tensor (M, ...) or a tuple of them.
        real_scores: Scores of `real`, (N,) or (N, ...), float; None where the generator's
            loss does not need them.
        fake_scores: Scores of `fake`, (M,) or (M, ...), float.
        real_weights: Weights of `real`, (N,), or None for equal weights.
        fake_weights: Weights of `fake`, (M,), or None for equal weights.
    """

    critic: Critic
    real: Samples
    fake: Samples
    real_scores: Tensor | None
    fake_scores: Tensor
    real_weights: Tensor | None = None
    fake_weights: Tensor | None = None

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
    """Average `values` (N, ...) over all elements, each sample counted `weights` (N,) times."""
    if weights is None:
        return values.mean()
    # Dividing by the mean of the processes' sums makes averaged gradients those of the joined
    # batch.
    return (per_sample(values) * weights).sum() / distributed.mean(weights.sum())


def per_sample(values: Tensor) -> Tensor:
    """Average `values` (N, ...) over all dimensions but the first: (N,)."""
    return values.flatten(1).mean(1) if values.ndim > 1 else values


def as_tuple(samples: Samples) -> tuple[Tensor, ...]:
    """Return the samples as a tuple of tensors."""
    return samples if isinstance(samples, tuple) else (samples,)


def rows(values: Tensor) -> Tensor:
    """Flatten values (N, ...), or one number per sample (N,), to vectors (N, d).

    Example:
        >>> import torch
        >>> rows(torch.zeros(3)).shape, rows(torch.zeros(3, 2, 2)).shape
        (torch.Size([3, 1]), torch.Size([3, 4]))
    """
    return values.reshape(len(values), -1)


def count(samples: Samples) -> int:
    """Return the number of samples."""
    return as_tuple(samples)[0].shape[0]


def detach(samples: Samples) -> Samples:
    """Return the samples without their graph."""
    return (
        tuple(part.detach() for part in samples) if isinstance(samples, tuple) else samples.detach()
    )


def matched(samples: Samples, other: Samples) -> Samples:
    """Cast the samples to the precision of `other`: autocast gives bf16, data is fp32."""
    if isinstance(samples, tuple):
        return tuple(s.to(o.dtype) for s, o in zip(samples, as_tuple(other), strict=True))
    return samples.to(as_tuple(other)[0].dtype)


def carries_gradient(samples: Samples) -> bool:
    """Return whether the samples carry a gradient to the model that produced them."""
    return any(part.requires_grad for part in as_tuple(samples))


def mixes_samples(critic: nn.Module) -> bool:
    """Return whether a score depends on the rest of the batch, as with batch normalisation.

    Real and fake samples are then scored separately. A custom layer declares it with a class
    attribute ``mixes_samples = True``.
    """
    batch_norm = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]  (the one common base)
    return any(
        isinstance(m, batch_norm) or getattr(m, "mixes_samples", False) for m in critic.modules()
    )


def score_both(
    critic: Critic, real: Samples, fake: Samples, *, apart: bool
) -> tuple[Tensor, Tensor]:
    """Score both sides, in one call of the critic unless they must be scored `apart`."""
    if apart:
        return score(critic, real), score(critic, fake)
    joined = tuple(torch.cat(sides) for sides in zip(as_tuple(real), as_tuple(fake), strict=True))
    scores = score(critic, joined)
    return scores[: count(real)], scores[count(real) :]


def score(critic: Critic, samples: Samples) -> Tensor:
    """Score `samples`: (N,) from a critic with one output, else the critic's shape; at least fp32.

    Losses and penalties are computed in full precision, also where autocast casts the critic.
    """
    scores = critic(*as_tuple(samples))
    if scores.ndim == 2 and scores.shape[1] == 1:
        scores = scores.squeeze(1)
    return scores if scores.dtype in (torch.float32, torch.float64) else scores.float()


def check_sides(real: Samples, fake: Samples) -> None:
    """Raise a one-line error unless a critic can compare the two sides."""
    reals, fakes = as_tuple(real), as_tuple(fake)
    if len(reals) != len(fakes):
        raise ValueError(f"fake: expected {len(reals)} tensors like real, got {len(fakes)}")
    for name, parts in (("real", reals), ("fake", fakes)):
        sizes = {part.shape[0] if part.ndim else None for part in parts}
        if len(sizes) != 1 or not sizes - {None, 0}:
            raise ValueError(
                f"{name}: expected one or more samples along dimension 0, got {_shapes(parts)}"
            )
    for r, f in zip(reals, fakes, strict=True):
        if r.shape[1:] != f.shape[1:]:
            raise ValueError(
                f"fake: expected samples of shape {tuple(r.shape[1:])} like real, "
                f"got {tuple(f.shape[1:])}"
            )
        if r.is_floating_point() != f.is_floating_point() or r.device != f.device:
            raise ValueError(
                f"fake: expected {r.dtype} on {r.device} like real, got {f.dtype} on {f.device}"
            )


@torch.no_grad()
def check_scores(critic: nn.Module, real: Samples) -> None:
    """Raise a one-line error unless the critic, in evaluation mode, gives one score per sample."""
    with eval_mode(critic):
        try:
            scores = score(critic, detach(real))
        except RuntimeError as error:
            shapes = [tuple(part.shape) for part in as_tuple(real)]
            raise ValueError(
                f"critic: cannot score samples of shape {shapes}: {str(error).splitlines()[0]}"
            ) from None
    if scores.shape[:1] != (count(real),):
        raise ValueError(
            f"critic: expected one score per sample, {count(real)}, got {tuple(scores.shape)}"
        )


def _shapes(parts: tuple[Tensor, ...]) -> str:
    return ", ".join(str(tuple(part.shape)) for part in parts)
