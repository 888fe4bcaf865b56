r"""Estimates of a critic's gradient norm from differences of its scores, without double backward.

For a direction n that is uniform on the sphere of radius :math:`\sqrt d` the slope

.. math:: v = \frac{D(x + \epsilon n) - D(x)}{\epsilon}

of a linear critic is the projection of its gradient g on n, so that

.. math:: E[v^2] = \|g\|^2, \qquad E[|v|] = c_d\,\|g\|, \qquad
          c_d = \frac{\sqrt d\,\Gamma(d/2)}{\sqrt\pi\,\Gamma((d + 1)/2)}

whatever :math:`\epsilon` is. In one dimension both hold for every draw. For other critics the error
is of order :math:`\epsilon^2`.
"""

import math
from typing import Literal, cast

import torch
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.samples import (
    NO_CONDITIONS,
    Conditions,
    Samples,
    concatenate,
    count,
    detach,
    device_of,
    map_tensors,
    moving,
    rows,
)
from advlearn.core.scores import Critic, score
from advlearn.functional.gradients import (
    LOW_PRECISION,
    Side,
    dtype_of_weights,
    first,
    gradient_norms,
    share_of,
    squared_norm,
    with_moving,
)

Estimate = Literal["exact", "difference"]
ESTIMATES = ("exact", "difference")
# The private classes are the one base of all batch normalisations and of all dropouts.
_BATCH_NORM = nn.modules.batchnorm._BatchNorm  # pyright: ignore[reportPrivateUsage]
_DROPOUT = nn.modules.dropout._DropoutNd  # pyright: ignore[reportPrivateUsage]
# In units of the samples, for data of about unit scale, as in Diffusion Adversarial Post-Training:
# far below the spread of the data, and the difference is far above the rounding of fp32 scores.
EPSILON = 0.01


def slopes(
    batch: CriticBatch, side: Side, conditions: Conditions = NO_CONDITIONS, share: float = 1.0
) -> Tensor:
    """Compute the slope of the critic at samples of a side, each along a random direction.

    The scores that the batch holds serve as D(x), unless autocast rounded them or the critic has
    buffers that a forward pass may change, such as the vectors of spectral normalisation.

    Args:
        batch: Critic, samples and scores.
        side: ``"real"`` or ``"fake"``.
        conditions: The parts of a sample that are not moved.
        share: The share of the side's samples to use: the first ones.

    Returns:
        Slopes (n,), differentiable with respect to the critic's parameters.

    Raises:
        ValueError: If the critic's weights are not fp32 or fp64, or a score is not a fixed function
            of its sample.
    """
    samples: Samples = getattr(batch, side)
    scores = batch.real_scores if side == "real" else batch.fake_scores
    n = share_of(samples, share)
    moved = batch.point_scores
    if scores is not None and moved is None:
        points = moved_samples(batch.critic, samples, conditions, share)
        moved = None if points is None else score(batch.critic, points)
    if scores is None or moved is None:
        return slopes_at(batch.critic, first(samples, n), conditions)
    return (_summed(moved) - _summed(scores[:n])) / EPSILON


def moved_samples(
    critic: Critic, samples: Samples, conditions: Conditions = NO_CONDITIONS, share: float = 1.0
) -> Samples | None:
    """Move samples along random directions, for `slopes`.

    Args:
        critic: The critic.
        samples: Samples (N, ...), or a structure of them.
        conditions: The parts of a sample that are not moved.
        share: The share of the samples to use: the first ones.

    Returns:
        Samples (n, ...); None where their scores cannot be compared with those of an earlier
        forward pass: under autocast, and for a critic with buffers that a forward pass may change.

    Raises:
        ValueError: As `slopes`.
    """
    if torch.is_autocast_enabled(device_of(samples).type) or _may_change(critic):
        return None
    check_differences(critic)
    points = first(samples, share_of(samples, share))
    return _moved(points, directions(points, conditions), conditions)


def slopes_at(critic: Critic, points: Samples, conditions: Conditions = NO_CONDITIONS) -> Tensor:
    """Compute the slope of a critic at each point along a random direction.

    One call of the critic scores the points and the moved points, in full precision under any
    autocast.

    Args:
        critic: The critic.
        points: Samples, a tensor (N, ...), or a structure of them.
        conditions: The parts of a sample that are not moved.

    Returns:
        Slopes (N,), differentiable with respect to the critic's parameters.

    Raises:
        ValueError: As `slopes`.

    Example:
        >>> import torch
        >>> slopes_at(lambda x: 3 * x[:, 0], torch.zeros(2, 1)).abs().round(decimals=3)
        tensor([3., 3.])
    """
    check_differences(critic)
    points = map_tensors(_full_precision, detach(points))
    moved = _moved(points, directions(points, conditions), conditions)
    with torch.autocast(device_of(points).type, enabled=False):
        scores = score(critic, concatenate(moved, points))
    return (_summed(scores[: count(points)]) - _summed(scores[count(points) :])) / EPSILON


def squared_norm_gaps(
    critic: Critic,
    points: Samples,
    target: float,
    *,
    estimate: Estimate,
    conditions: Conditions = NO_CONDITIONS,
) -> Tensor:
    r"""Compute how far the input gradient's norm is from a target, squared, at each point.

    .. math:: (\|g\|_2 - t)^2 = E_n\left[v^2 - \frac{2 t}{c_d} |v| + t^2\right] + O(\epsilon^2)

    Args:
        critic: The critic.
        points: Samples, a tensor (N, ...), or a structure of them.
        target: t.
        estimate: ``"exact"``, by double backward, or ``"difference"``, from one slope v at each
            point; a single value may then be negative.
        conditions: The parts of a sample that are held fixed.

    Returns:
        Values (N,), differentiable with respect to the critic's parameters.

    Raises:
        ValueError: As `slopes`.
    """
    if estimate == "exact":
        return (gradient_norms(critic, points, conditions) - target).square()
    v = slopes_at(critic, points, conditions)
    c = mean_projection(dimension(points, conditions))
    return v.square() - 2 * target / c * v.abs() + target**2


def directions(samples: Samples, conditions: Conditions = NO_CONDITIONS) -> tuple[Tensor, ...]:
    """Draw for each sample a direction, uniform on the sphere of radius sqrt(d).

    Args:
        samples: A tensor (N, ...), or a structure of them.
        conditions: The parts of a sample that have no direction.

    Returns:
        One tensor for each tensor that moves, of its shape; d is the number of their elements in
        one sample.
    """
    noise = tuple(distributed.randn(*x.shape, like=x) for x in moving(samples, conditions))
    norms = squared_norm(noise).sqrt().clamp(min=torch.finfo(noise[0].dtype).tiny)
    scale = math.sqrt(dimension(samples, conditions)) / norms
    return tuple(z * scale.to(z.dtype).view(-1, *[1] * (z.ndim - 1)) for z in noise)


def dimension(samples: Samples, conditions: Conditions = NO_CONDITIONS) -> int:
    """Return d, the number of elements of a sample that are not conditions."""
    return sum(x[0].numel() for x in moving(samples, conditions))


def mean_projection(d: int) -> float:
    """Return c_d, the mean length of a projection on `directions`, per length of the vector.

    Example:
        >>> round(mean_projection(1), 4), round(mean_projection(10**6), 4)
        (1.0, 0.7979)
    """
    logarithm = math.lgamma(d / 2) - math.lgamma((d + 1) / 2)
    return math.sqrt(d / math.pi) * math.exp(logarithm)


def check_differences(critic: Critic) -> None:
    """Raise a one-line error unless a small difference of the critic's scores is a slope."""
    module = cast(object, critic)
    if not isinstance(module, nn.Module):
        return
    dtype = dtype_of_weights(critic)
    if dtype in LOW_PRECISION:
        raise ValueError(
            "estimate: expected a critic with fp32 or fp64 weights for 'difference', got "
            f"{str(dtype).removeprefix('torch.')}, whose rounding hides the differences; "
            "use estimate='exact'"
        )
    for name, part in module.named_modules():
        if _mixes(part) or (part.training and _drops(part)):
            raise ValueError(
                "estimate: expected a critic whose score is a fixed function of each sample for "
                f"'difference', got {type(part).__name__} at {name or 'the top'!r}; "
                "use estimate='exact'"
            )


def _mixes(part: nn.Module) -> bool:
    if isinstance(part, _BATCH_NORM):
        return part.training
    return bool(getattr(part, "mixes_samples", False))


def _drops(part: nn.Module) -> bool:
    if isinstance(part, _DROPOUT):
        return part.p > 0
    return isinstance(part, nn.MultiheadAttention | nn.RNNBase) and part.dropout > 0


def _may_change(critic: Critic) -> bool:
    """Return whether a second forward pass may score a sample differently."""
    module = cast(object, critic)
    if not isinstance(module, nn.Module):
        return True
    return module.training and any(True for _ in module.buffers())


def _moved(samples: Samples, steps: tuple[Tensor, ...], conditions: Conditions) -> Samples:
    samples = detach(samples)
    pairs = zip(moving(samples, conditions), steps, strict=True)
    return with_moving(samples, (x + EPSILON * step for x, step in pairs), conditions)


def _full_precision(x: Tensor) -> Tensor:
    return x.float() if x.dtype in LOW_PRECISION else x


def _summed(scores: Tensor) -> Tensor:
    """Add up each sample's scores: (N, ...) to (N,)."""
    return rows(scores).sum(1)
