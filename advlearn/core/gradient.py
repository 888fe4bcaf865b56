"""The gradient of a critic's scores with respect to its inputs, ready to be differentiated again."""

from collections.abc import Callable

import torch
from torch import Tensor

from advlearn.core.critic_batch import Critic, Samples, as_tuple, rows, score


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
