"""Seed, save and restore the global random states of torch, numpy and Python."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from advlearn.core.one_thread import one_thread
from advlearn.core.seeding import seed_torch

State = dict[str, Any]


def get_state() -> State:
    """Return the state of every global generator of torch (CPU, CUDA, MPS), numpy and Python.

    Returns:
        Plain tensors, numbers and lists, which ``torch.load(weights_only=True)`` can read.

    Example:
        >>> state = get_state()
        >>> before = torch.rand(3), random.random()
        >>> set_state(state)
        >>> bool((torch.rand(3) == before[0]).all()), random.random() == before[1]
        (True, True)
    """
    _, keys, position, has_gauss, gauss = np.random.get_state()
    version, words, spare = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        # not every version of torch can load uint32
        "numpy": [
            torch.from_numpy(np.asarray(keys).astype(np.int64)),
            int(position),
            int(has_gauss),
            float(gauss),
        ],
        "python": [version, list(words), spare],
    }


def set_state(state: State) -> None:
    """Set every global generator to a saved state.

    Devices that are not in the state keep theirs: a checkpoint may come from another machine.

    Args:
        state: A result of `get_state`, also of another process.
    """
    torch.set_rng_state(state["torch"].cpu())
    if torch.cuda.is_available():
        for device, value in zip(range(torch.cuda.device_count()), state["cuda"], strict=False):
            torch.cuda.set_rng_state(value.cpu(), device)
    if torch.backends.mps.is_available() and state["mps"] is not None:
        torch.mps.set_rng_state(state["mps"].cpu())
    keys, position, has_gauss, gauss = state["numpy"]
    np.random.set_state(
        ("MT19937", keys.cpu().numpy().astype(np.uint32), position, has_gauss, gauss)
    )
    version, words, spare = state["python"]
    random.setstate((version, tuple(words), spare))


def seed_all(seed: int) -> None:
    """Seed every global generator.

    Args:
        seed: An integer from 0 to 2^32 - 1, the range of numpy and of torch's CPU generator.

    Raises:
        ValueError: A seed out of range.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"seed: expected an integer from 0 to {2**32 - 1}, got {seed!r}")
    seed_torch(seed)
    np.random.seed(seed)
    random.seed(seed)


@contextmanager
def isolated(seed: int) -> Iterator[None]:
    """Seed the global generators within a block, and restore their states after it.

    The seed determines all draws inside the block, and draws outside do not depend on the block,
    also when it raises an exception. A block in another thread waits until this one ends; blocks
    of the same thread may be nested.

    Args:
        seed: An integer from 0 to 2^32 - 1.

    Raises:
        ValueError: A seed out of range.

    Example:
        >>> _ = torch.manual_seed(1)
        >>> with isolated(0):
        ...     first = torch.rand(2)
        >>> with isolated(0):
        ...     bool((torch.rand(2) == first).all())
        True
        >>> after = torch.rand(2)
        >>> _ = torch.manual_seed(1)
        >>> bool((torch.rand(2) == after).all())
        True
    """
    with one_thread():
        before = get_state()
        try:
            seed_all(seed)
            yield
        finally:
            set_state(before)
