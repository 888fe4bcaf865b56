"""The gradient of a critic's scores with respect to its inputs, to be differentiated again."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from advlearn.core import distributed, stacked
from advlearn.core.critic_batch import CriticBatch
from advlearn.core.features import full_precision, graph_nodes, uncompiled
from advlearn.core.modules import double_backward_attention
from advlearn.core.samples import (
    NO_CONDITIONS,
    Conditions,
    Samples,
    count,
    describe,
    detach,
    device_of,
    joinable,
    map_moving,
    map_tensors,
    moving,
    rows,
)
from advlearn.core.scores import Critic, score
from advlearn.functional.distances import safe_sqrt

Side = Literal["real", "fake"]
Gradients = tuple[Tensor, ...]

LOW_PRECISION = (torch.float16, torch.bfloat16)
# Names of graph nodes that PyTorch cannot differentiate twice.
_ONCE = ("ScaledDotProduct", "CompiledFunction")
# Gradients of scores that exist, for as long as the scores do: R1 and R2 share one pass.
_of_scores = WeakTensorKeyDictionary()


def input_gradient(
    critic: Critic, samples: Samples, conditions: Conditions = NO_CONDITIONS
) -> Gradients:
    r"""Compute the gradient of each sample's summed score with respect to that sample.

    .. math:: g_i = \nabla_{x_i} \sum_j D(x_i)_j

    The critic scores the samples in a second forward pass, in the precision of its weights: in full
    precision for fp32 weights, also under autocast, since squares of bf16 gradients lose the
    penalty; in bf16 or fp16 for a critic with such weights. Attention uses PyTorch's ``MATH``
    kernel, the only one that can be differentiated twice. A critic that was compiled by itself
    (``torch.compile(critic)`` or ``critic.compile()``) runs uncompiled, for the same reason.
    In eager mode the gradient is that of ``torch.autograd.grad``, which is the faster one there;
    inside ``torch.compile``, which refuses double backward through it, that of
    ``torch.func.grad``, which is accepted and equal.

    Args:
        critic: The critic.
        samples: A tensor (N, ...), or a structure of them; tensors that are not floating point
            (labels) are held fixed.
        conditions: The parts of `samples` that are held fixed too.

    Returns:
        One gradient for each other tensor of `samples`, of its shape, at least fp32.

    Example:
        >>> import torch
        >>> (slope,) = input_gradient(lambda x: 3 * x[:, 0], torch.zeros(2, 2))
        >>> slope
        tensor([[3., 0.],
                [3., 0.]])
    """
    dtype = dtype_of_weights(critic)
    fixed = map_tensors(lambda x: _cast(x.detach(), dtype), samples)

    def total(*xs: Tensor) -> Tensor:
        return score(critic, with_moving(fixed, xs, conditions)).sum()

    with torch.enable_grad(), twice_differentiable(device_of(fixed), dtype):
        differentiated = _compiled if torch.compiler.is_compiling() else _eager
        gradients = differentiated(total, tuple(moving(fixed, conditions)))
    return tuple(map(full_precision, gradients))


def _eager(total: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Gradients:
    inputs = tuple(map(stacked.leaf, inputs))
    return stacked.gradients([total(*inputs)], inputs)


def _compiled(total: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Gradients:
    return torch.func.grad(total, argnums=tuple(range(len(inputs))))(*inputs)


def with_moving(samples: Samples, values: Iterable[Tensor], conditions: Conditions) -> Samples:
    """Replace the floating-point tensors that are not conditions, in the order of `moving`."""
    following = iter(values)
    return map_moving(lambda _: next(following), samples, conditions=conditions)


def dtype_of_weights(critic: Critic) -> torch.dtype | None:
    """Return the floating dtype of all the critic's weights; None for several, or if unknown."""
    module = cast(object, critic)
    if not isinstance(module, nn.Module):
        return None
    dtypes = {p.dtype for p in module.parameters() if p.is_floating_point()}
    return dtypes.pop() if len(dtypes) == 1 else None


def _cast(x: Tensor, dtype: torch.dtype | None) -> Tensor:
    """Cast samples for a pass outside of autocast: to low-precision weights, else to fp32."""
    if dtype in LOW_PRECISION:
        return x.to(dtype) if x.dtype in (*LOW_PRECISION, torch.float32) else x
    autocast = torch.is_autocast_enabled(x.device.type)
    return x.float() if x.dtype in LOW_PRECISION and (autocast or dtype is not None) else x


@contextmanager
def twice_differentiable(device: torch.device, dtype: torch.dtype | None) -> Iterator[None]:
    """Score in the weights' own precision, by operations that have a second derivative.

    Args:
        device: Where the samples are.
        dtype: The dtype of the critic's weights; autocast stays as it is for bf16 and fp16.
    """
    kind = device.type
    enabled = dtype in LOW_PRECISION and torch.is_autocast_enabled(kind)
    with double_backward_attention(), torch.autocast(kind, enabled=enabled), uncompiled():
        yield


def squared_gradients(
    batch: CriticBatch, side: Side, conditions: Conditions = NO_CONDITIONS, share: float = 1.0
) -> Tensor:
    """Compute the squared norm of the input gradient at samples of a side.

    It differentiates the scores that the batch holds, where they have a graph to the samples and
    were not computed under autocast; else the scores of a second forward pass. Scores of both
    sides from one call of the critic are differentiated together, and the other side's gradients
    are kept for the next penalty on this batch.

    Args:
        batch: Critic, samples and scores.
        side: ``"real"`` or ``"fake"``.
        conditions: The parts of a sample that are held fixed.
        share: The share of the side's samples to use: the first ones.

    Returns:
        Squared norms, (n,) for n samples.
    """
    samples: Samples = getattr(batch, side)
    n = share_of(samples, share)
    gradients = _gradients_of_scores(batch, side, conditions) if n == count(samples) else None
    if gradients is None:
        gradients = input_gradient(batch.critic, first(samples, n), conditions)
    return squared_norm(gradients)


def _gradients_of_scores(
    batch: CriticBatch, side: Side, conditions: Conditions
) -> Gradients | None:
    """Differentiate the batch's own scores, or return None where a second pass is needed."""
    scores = batch.real_scores if side == "real" else batch.fake_scores
    if (
        torch.compiler.is_compiling()
        or scores is None
        or not batch.inputs_require_grad
        or torch.is_autocast_enabled(scores.device.type)
    ):
        return None
    kept = _kept(scores)
    if conditions not in kept:
        nodes = list(graph_nodes(scores))
        if any(node.name().startswith(_ONCE) for node in nodes):
            return None
        _differentiate(batch, side, conditions, nodes)
    return kept[conditions]


def _differentiate(
    batch: CriticBatch, side: Side, conditions: Conditions, nodes: list[Any]
) -> None:
    """Keep the gradients of a side's scores, and of the other's if one call scored both."""
    leaves = {s: moving(getattr(batch, s), conditions) for s in ("real", "fake")}
    scores = {"real": batch.real_scores, "fake": batch.fake_scores}
    other = "fake" if side == "real" else "real"
    reached = {id(getattr(node, "variable", None)) for node in nodes}
    together = scores[other] is not None and any(
        id(stacked.held(x)) in reached for x in leaves[other]
    )
    sides = [side, other] if together else [side]
    found = iter(
        stacked.gradients(
            [cast(Tensor, scores[s]).sum() for s in sides],
            [x for s in sides for x in leaves[s]],
        )
    )
    for s in sides:
        gradients = tuple(full_precision(next(found)) for _ in leaves[s])
        _kept(cast(Tensor, scores[s]))[conditions] = gradients


def _kept(scores: Tensor) -> dict[Conditions, Gradients]:
    return cast(dict[Conditions, Gradients], _of_scores.setdefault(scores, {}))


def share_of(samples: Samples, share: float) -> int:
    """Return the number of samples in a share of them, at least one."""
    return max(1, math.ceil(share * count(samples)))


def first(samples: Samples, n: int) -> Samples:
    """Return the first n samples."""
    # A slice of all samples costs an operator here and one in the backward pass.
    return map_tensors(lambda x: x if len(x) == n else x[:n], samples)


def squared_norm(gradients: Gradients) -> Tensor:
    """Compute the squared norm of each sample's gradient over all its parts: (N,)."""
    squares = [rows(g).square().sum(1) for g in gradients]
    return squares[0] if len(squares) == 1 else torch.stack(squares).sum(0)


def gradient_norms(
    critic: Critic, points: Samples, conditions: Conditions = NO_CONDITIONS
) -> Tensor:
    """Compute norms of the input gradient at points, (N,), with a finite derivative at zero."""
    gradients = input_gradient(critic, points, conditions)
    if len(gradients) == 1:
        # One operator, with derivative zero at zero.
        return torch.linalg.vector_norm(rows(gradients[0]), dim=1)
    return safe_sqrt(squared_norm(gradients))


def points_between(
    batch: CriticBatch, conditions: Conditions = NO_CONDITIONS, share: float = 1.0
) -> Samples:
    """Draw random points between paired samples.

    Args:
        batch: N real and M fake samples.
        conditions: The parts of a sample that are taken from the real side, as integer parts are.
        share: The share of the min(N, M) pairs to use: the first ones.

    Returns:
        Points of the samples' shape, detached.

    Raises:
        ValueError: If the samples of the two sides differ in shape.
    """
    n = min(share_of(batch.real, share), share_of(batch.fake, share))
    real, fake = (first(detach(side), n) for side in (batch.real, batch.fake))
    if not joinable(real, fake):
        raise ValueError(
            f"fake: expected samples of the shape of real, {describe(real)}, for points between "
            f"the sides, got {describe(fake)}; use r1 or r2"
        )
    u = distributed.rand(n, like=moving(real, conditions)[0])

    def between(r: Tensor, f: Tensor) -> Tensor:
        return torch.lerp(f, r, u.to(r.dtype).view(-1, *[1] * (r.ndim - 1)).expand_as(r))

    return map_moving(between, real, fake, conditions=conditions)


def gradient_norms_between(batch: CriticBatch, conditions: Conditions = NO_CONDITIONS) -> Tensor:
    """Compute norms of the input gradient at random points between paired samples.

    Args:
        batch: Critic and samples, N real and M fake ones.
        conditions: The parts of a sample that are held fixed.

    Returns:
        Norms (min(N, M),).
    """
    return gradient_norms(batch.critic, points_between(batch, conditions), conditions)
