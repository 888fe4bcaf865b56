"""Modes of torch in which a call trains, whatever those of the calling code."""

from collections.abc import Generator
from contextlib import ExitStack, contextmanager

import torch


@contextmanager
def training_modes() -> Generator[None]:
    """Compute gradients and no autocast in the block, also within ``torch.no_grad()``.

    The precision of a run is that of its arguments, so an outer autocast does not count.

    Raises:
        ValueError: In ``torch.inference_mode()``, whose tensors cannot be trained, or if torch's
            default dtype is not float32.

    Example:
        >>> with torch.no_grad(), training_modes():
        ...     torch.is_grad_enabled()
        True
    """
    if torch.is_inference_mode_enabled():
        raise ValueError(
            "inference_mode: expected a call outside of torch.inference_mode(), whose tensors "
            "cannot be trained; move the call out of the block"
        )
    dtype = torch.get_default_dtype()
    if dtype != torch.float32:
        raise ValueError(
            f"default dtype: expected float32, which data and networks have, got {dtype}; call "
            "torch.set_default_dtype(torch.float32)"
        )
    with ExitStack() as modes:
        modes.enter_context(torch.enable_grad())
        for kind in ("cpu", "cuda", "mps"):
            if torch.is_autocast_enabled(kind):
                modes.enter_context(torch.autocast(kind, enabled=False))
        yield
