"""Optimizers by name, sums of losses, and backward passes outside autocast."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import operator
from collections.abc import Iterable
from functools import reduce

import torch
from torch import Tensor, nn

from advlearn.core.checks import check_choice

OPTIMIZERS = ("adam", "rmsprop", "sgd")


def adam(
    parameters: list[nn.Parameter], *, lr: float, betas: tuple[float, float]
) -> torch.optim.Adam:
    """Build Adam, fused if the parameters allow it."""
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=fused)


def build_optimizer(
    name: str, parameters: list[nn.Parameter], *, lr: float, betas: tuple[float, float]
) -> torch.optim.Optimizer:
    """Build an optimizer by its name.

    Args:
        name: ``"adam"``, ``"rmsprop"`` or ``"sgd"``.
        parameters: The parameters to train.
        lr: Learning rate.
        betas: Adam's decay rates. The first one is the momentum of SGD; RMSProp uses neither.

    Returns:
        The optimizer.

    Raises:
        ValueError: If `name` is not one of the three.

    Example:
        >>> weight = nn.Parameter(torch.zeros(1))
        >>> type(build_optimizer("rmsprop", [weight], lr=5e-5, betas=(0.0, 0.9))).__name__
        'RMSprop'
    """
    if check_choice("optimizer", name, OPTIMIZERS) == "adam":
        return adam(parameters, lr=lr, betas=betas)
    if name == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=lr)
    return torch.optim.SGD(parameters, lr=lr, momentum=betas[0])


def added(terms: Iterable[Tensor]) -> Tensor:
    """Return the sum of one or more scalars; a single one is returned unchanged."""
    return reduce(operator.add, terms)


def backward(loss: Tensor) -> None:
    """Run the backward pass outside of autocast, which is meant for forward passes only."""
    if torch.is_autocast_enabled(loss.device.type):
        with torch.autocast(loss.device.type, enabled=False):
            loss.backward()
    else:
        loss.backward()


def clear(parameters: Iterable[nn.Parameter]) -> None:
    """Set gradients to None, without the profiler calls of `Optimizer.zero_grad`."""
    for p in parameters:
        p.grad = None
