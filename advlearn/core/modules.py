"""Freeze a module, or put it into evaluation mode, within a block."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel


@contextmanager
def freeze(module: nn.Module) -> Generator[None]:
    """Freeze a module's parameters; gradients still flow through it to its inputs."""
    trained = [p for p in module.parameters() if p.requires_grad]
    for p in trained:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trained:
            p.requires_grad_(True)


@contextmanager
def eval_mode(module: nn.Module) -> Generator[None]:
    """Put a module into evaluation mode, and restore the mode of each submodule afterwards."""
    modes = [(m, m.training) for m in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for m, training in modes:
            m.training = training


def double_backward_attention() -> AbstractContextManager[Any]:
    """Compute attention by matrix products, which can be differentiated twice."""
    return cast(AbstractContextManager[Any], sdpa_kernel(SDPBackend.MATH))
