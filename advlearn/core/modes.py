"""What the two sides of a game do to modules and gradients around a step."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import operator
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from functools import reduce

import torch
from torch import Tensor, nn


def adam(parameters: list[nn.Parameter], *, lr: float, betas: tuple[float, float]) -> torch.optim.Adam:
    """Adam in its fused form where the parameters allow it."""
    fused = all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in parameters)
    return torch.optim.Adam(parameters, lr=lr, betas=betas, fused=fused)


def added(terms: Iterable[Tensor]) -> Tensor:
    """The sum of one or more scalars; one alone is passed on as it is."""
    return reduce(operator.add, terms)


def backward(loss: Tensor) -> None:
    """Backward pass outside of any autocast: only forward passes belong inside."""
    if torch.is_autocast_enabled(loss.device.type):
        with torch.autocast(loss.device.type, enabled=False):
            loss.backward()
    else:
        loss.backward()


def clear(parameters: Iterable[nn.Parameter]) -> None:
    """Take gradients off, without the profiler's bookkeeping that an optimiser's own way begins with."""
    for p in parameters:
        p.grad = None


@contextmanager
def frozen(module: nn.Module) -> Generator[None]:
    """Hold a module's parameters fixed: gradients pass through it, none is computed for it."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for p in trained:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trained:
            p.requires_grad_(True)


@contextmanager
def evaluating(module: nn.Module) -> Generator[None]:
    """Put a module into evaluation mode and every part of it back as it was."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training
