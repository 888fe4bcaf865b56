"""The gradients of a head on a batch: to the learner's samples, and to the critic's weights."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from advlearn.core.samples import rows

EPSILON = 1e-8


def norms_per_sample(loss: Tensor, leaves: Sequence[Tensor]) -> Tensor | None:
    """Compute the norm of each sample's gradient of `loss`, times the number of samples.

    Args:
        loss: A scalar, a mean over samples.
        leaves: The floating-point parts of the samples, each (M, ...).

    Returns:
        The norms, (M,); None if no gradient reaches the samples.
    """
    if not loss.requires_grad or not leaves:
        return None
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, retain_graph=True)
    found = [rows(g) for g in cast(list[Tensor | None], gradients) if g is not None]
    if not found:
        return None
    return torch.stack([g.float().square().sum(1) for g in found]).sum(0).sqrt() * len(leaves[0])


def step_cosine(loss: Tensor, optimizer: torch.optim.Optimizer | None) -> float:
    """Compute the cosine of the optimizer's step and the direction against the gradient of `loss`.

    The step is that of the optimizer's momentum, as of the last step taken; with Adam divided by
    the root of its second moment. A negative value means that the momentum raises the loss.

    Returns:
        The cosine; NaN for an optimizer without momentum, or before its first step.

    Reference:
        Arjovsky et al., "Wasserstein GAN", 2017, section 4.2: negative when training is unstable.
    """
    steps = {} if optimizer is None else _momenta(optimizer)
    if not steps or not loss.requires_grad:
        return math.nan
    gradients = torch.autograd.grad(loss, list(steps), allow_unused=True)
    pairs = [
        (step.float(), gradient.float())
        for step, gradient in zip(steps.values(), cast(list[Tensor | None], gradients), strict=True)
        if gradient is not None
    ]
    if not pairs:
        return math.nan
    sums = torch.stack(
        [torch.stack([(s * g).sum(), s.square().sum(), g.square().sum()]) for s, g in pairs]
    ).sum(0)
    product, step, gradient = sums.tolist()
    return product / math.sqrt(step * gradient) if step * gradient > 0 else math.nan


def _momenta(optimizer: torch.optim.Optimizer) -> dict[nn.Parameter, Tensor]:
    """Return the direction that the optimizer subtracts from each parameter, up to a factor."""
    found: dict[nn.Parameter, Tensor] = {}
    for group in optimizer.param_groups:
        for p in group["params"]:
            state: dict[str, Any] = optimizer.state.get(p, {})
            first = state.get("exp_avg", state.get("momentum_buffer"))
            # A sharded moment would need the other processes.
            if not p.requires_grad or first is None or hasattr(first, "placements"):
                continue
            second = state.get("exp_avg_sq")
            found[p] = first if second is None else first / (second.sqrt() + EPSILON)
    return found
