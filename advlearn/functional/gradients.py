"""The gradient of a critic's scores with respect to its inputs, ready to be differentiated again."""

from collections.abc import Callable

import torch
from torch import Tensor

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
from advlearn.functional.distances import safe_sqrt


def input_gradient(critic: Critic, samples: Samples) -> tuple[Tensor, ...]:
    r"""Gradient of each sample's summed score with respect to that sample.

    .. math:: g_i = \nabla_{x_i} \sum_j D(x_i)_j

    Computed in full precision under any autocast, since squares of bf16 gradients lose the penalty.
    In eager mode by ``torch.autograd.grad``, which is the faster one there; inside
    ``torch.compile``, which refuses double backward through it, by ``torch.func.grad``, which is
    accepted and equal.

    Args:
        critic: The critic.
        samples: A tensor (N, ...) or a tuple of them; tensors that are not floating point (labels)
            are held fixed.

    Returns:
        One gradient for each floating-point tensor of `samples`, of its shape.

    Example:
        >>> import torch
        >>> (slope,) = input_gradient(lambda x: 3 * x[:, 0], torch.zeros(2, 2))
        >>> slope
        tensor([[3., 0.],
                [3., 0.]])
    """
    parts = tuple(p.detach() for p in as_tuple(samples))
    moving = [i for i, p in enumerate(parts) if p.is_floating_point()]
    inputs = tuple(
        parts[i].float() if parts[i].dtype in (torch.float16, torch.bfloat16) else parts[i]
        for i in moving
    )

    def total(*xs: Tensor) -> Tensor:
        full = list(parts)
        for i, x in zip(moving, xs, strict=True):
            full[i] = x
        return score(critic, tuple(full)).sum()

    with torch.autocast(parts[0].device.type, enabled=False), torch.enable_grad():
        return _compiled(total, inputs) if torch.compiler.is_compiling() else _eager(total, inputs)


def _eager(total: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    inputs = tuple(x.requires_grad_() for x in inputs)
    return torch.autograd.grad(total(*inputs), inputs, create_graph=True)


def _compiled(total: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return torch.func.grad(total, argnums=tuple(range(len(inputs))))(*inputs)


def squared_norm(gradients: tuple[Tensor, ...]) -> Tensor:
    """Squared Euclidean norm of each sample's gradient over all its dimensions and all parts: (N,)."""
    return torch.stack([rows(g).square().sum(1) for g in gradients]).sum(0)


def gradient_norms_between(batch: CriticBatch) -> Tensor:
    """Compute norms of the input gradient at random points between paired samples.

    Args:
        batch: Critic and samples, N real and M fake ones.

    Returns:
        Norms (min(N, M),).
    """
    reals, fakes = as_tuple(batch.real), as_tuple(batch.fake)
    n = min(count(batch.real), count(batch.fake))
    u = distributed.rand(n, like=next(r for r in reals if r.is_floating_point()))
    points = tuple(
        _between(r[:n].detach(), f[:n].detach(), u) for r, f in zip(reals, fakes, strict=True)
    )
    return safe_sqrt(squared_norm(input_gradient(batch.critic, points)))


def _between(real: Tensor, fake: Tensor, u: Tensor) -> Tensor:
    if not real.is_floating_point():
        return real
    u = u.to(real.dtype).view(-1, *[1] * (real.ndim - 1))
    return torch.lerp(fake, real, u.expand_as(real))
