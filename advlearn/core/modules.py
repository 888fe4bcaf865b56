"""Freeze a module, or put it into evaluation mode, within a block."""

from collections.abc import Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast

from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from advlearn.core import distributed, stacked


@contextmanager
def freeze(module: nn.Module) -> Generator[None]:
    """Freeze a module's parameters; gradients still flow through it to its inputs."""
    trained = {name: p for name, p in module.named_parameters() if stacked.requires_grad(p)}
    for p in trained.values():
        stacked.set_requires_grad(p, False)
    try:
        yield
    finally:
        present = list(trained.values())
        if distributed.has_group():
            # FSDP2 may have put gathered parameters of the same names in the place of sharded ones.
            present += [p for name, p in module.named_parameters() if name in trained]
        for p in present:
            stacked.set_requires_grad(p, True)


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
