"""The gradient of a critic's scores with respect to its inputs, to be differentiated again."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.weak import WeakTensorKeyDictionary

from advlearn.core import distributed
from advlearn.core.critic_batch import (
    Critic,
    CriticBatch,
    Samples,
    as_tuple,
    count,
    rows,
    score,
)
from advlearn.core.features import full_precision, graph_nodes, uncompiled
from advlearn.functional.distances import safe_sqrt

Side = Literal["real", "fake"]
Conditions = frozenset[int | str]
Gradients = tuple[Tensor, ...]

LOW_PRECISION = (torch.float16, torch.bfloat16)
# Names of graph nodes that PyTorch cannot differentiate twice.
_ONCE = ("ScaledDotProduct", "CompiledFunction")
# Gradients of scores that exist, for as long as the scores do: R1 and R2 share one pass.
_of_scores = WeakTensorKeyDictionary()


def input_gradient(
    critic: Critic, samples: Samples, conditions: Conditions = frozenset()
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
        samples: A tensor (N, ...) or a tuple of them; tensors that are not floating point (labels)
            are held fixed.
        conditions: The parts of `samples` that are held fixed too.

    Returns:
        One gradient for each other part of `samples`, of its shape, at least fp32.

    Example:
        >>> import torch
        >>> (slope,) = input_gradient(lambda x: 3 * x[:, 0], torch.zeros(2, 2))
        >>> slope
        tensor([[3., 0.],
                [3., 0.]])
    """
    parts = tuple(p.detach() for p in as_tuple(samples))
    moving = moving_parts(parts, conditions)
    dtype = dtype_of_weights(critic)
    inputs = tuple(_cast(parts[i], dtype) for i in moving)

    def total(*xs: Tensor) -> Tensor:
        full = list(parts)
        for i, x in zip(moving, xs, strict=True):
            full[i] = x
        return score(critic, tuple(full)).sum()

    with torch.enable_grad(), twice_differentiable(parts[0].device, dtype):
        gradients = (_compiled if torch.compiler.is_compiling() else _eager)(total, inputs)
    return tuple(map(full_precision, gradients))


def _eager(total: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Gradients:
    inputs = tuple(x.requires_grad_() for x in inputs)
    return torch.autograd.grad(total(*inputs), inputs, create_graph=True)


def _compiled(total: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Gradients:
    return torch.func.grad(total, argnums=tuple(range(len(inputs))))(*inputs)


def moving_parts(parts: tuple[Tensor, ...], conditions: Conditions) -> list[int]:
    """Return the places of the parts that are samples: floating point and not a condition."""
    return [i for i, p in enumerate(parts) if p.is_floating_point() and i not in conditions]


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
        return x.to(dtype)
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
    with sdpa_kernel(SDPBackend.MATH), torch.autocast(kind, enabled=enabled), uncompiled():
        yield


def squared_gradients(
    batch: CriticBatch, side: Side, conditions: Conditions = frozenset(), share: float = 1.0
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
    real, fake = batch.real_scores, batch.fake_scores
    scores = real if side == "real" else fake
    if (
        torch.compiler.is_compiling()
        or scores is None
        or not getattr(batch, "inputs_require_grad", False)
        or torch.is_autocast_enabled(scores.device.type)
    ):
        return None
    kept = _kept(scores)
    if conditions not in kept:
        if not _is_twice_differentiable(scores):
            return None
        both = real is not None and real._base is not None and real._base is fake._base
        wanted = {"real": real, "fake": fake} if both else {side: scores}
        inputs = {s: _leaves(getattr(batch, s), conditions) for s in wanted}
        found = iter(
            torch.autograd.grad(
                [cast(Tensor, s).sum() for s in wanted.values()],
                [x for leaves in inputs.values() for x in leaves],
                create_graph=True,
            )
        )
        for name, of_side in wanted.items():
            gradients = tuple(full_precision(next(found)) for _ in inputs[name])
            _kept(cast(Tensor, of_side))[conditions] = gradients
    return kept[conditions]


def _kept(scores: Tensor) -> dict[Conditions, Gradients]:
    return cast(dict[Conditions, Gradients], _of_scores.setdefault(scores, {}))


def _leaves(samples: Samples, conditions: Conditions) -> list[Tensor]:
    parts = as_tuple(samples)
    return [parts[i] for i in moving_parts(parts, conditions)]


def _is_twice_differentiable(scores: Tensor) -> bool:
    """Return whether every operation in the scores' graph has a second derivative in PyTorch."""
    return not any(node.name().startswith(_ONCE) for node in graph_nodes(scores))


def share_of(samples: Samples, share: float) -> int:
    """Return how many samples a share of them is: at least one."""
    return max(1, math.ceil(share * count(samples)))


def first(samples: Samples, n: int) -> Samples:
    """Return the first n samples."""
    if isinstance(samples, tuple):
        return tuple(part[:n] for part in samples)
    return samples[:n]


def squared_norm(gradients: Gradients) -> Tensor:
    """Compute the squared norm of each sample's gradient over all its parts: (N,)."""
    return torch.stack([rows(g).square().sum(1) for g in gradients]).sum(0)


def gradient_norms(critic: Critic, points: Samples, conditions: Conditions = frozenset()) -> Tensor:
    """Compute norms of the input gradient at points, (N,), with a finite derivative at zero."""
    return safe_sqrt(squared_norm(input_gradient(critic, points, conditions)))


def points_between(
    batch: CriticBatch, conditions: Conditions = frozenset(), share: float = 1.0
) -> Samples:
    """Draw random points between paired samples.

    Args:
        batch: N real and M fake samples.
        conditions: The parts of a sample that are taken from the real side, as integer parts are.
        share: The share of the min(N, M) pairs to use: the first ones.

    Returns:
        Points of the samples' shape, detached.
    """
    n = min(share_of(batch.real, share), share_of(batch.fake, share))
    reals, fakes = as_tuple(batch.real), as_tuple(batch.fake)
    moving = moving_parts(reals, conditions)
    u = distributed.rand(n, like=reals[moving[0]])
    points = tuple(
        _between(r[:n].detach(), f[:n].detach(), u) if i in moving else r[:n].detach()
        for i, (r, f) in enumerate(zip(reals, fakes, strict=True))
    )
    return points if isinstance(batch.real, tuple) else points[0]


def _between(real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    u = u.to(real.dtype).view(-1, *[1] * (real.ndim - 1))
    return torch.lerp(fake, real, u.expand_as(real))


def gradient_norms_between(batch: CriticBatch, conditions: Conditions = frozenset()) -> Tensor:
    """Compute norms of the input gradient at random points between paired samples.

    Args:
        batch: Critic and samples, N real and M fake ones.
        conditions: The parts of a sample that are held fixed.

    Returns:
        Norms (min(N, M),).
    """
    return gradient_norms(batch.critic, points_between(batch, conditions), conditions)
