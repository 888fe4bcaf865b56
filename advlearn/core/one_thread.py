"""Let one thread at a time use the global random generators."""

import os
import random
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch


class _Holder:
    """Hold the lock, which a forked process replaces, since its owner may not exist there."""

    def __init__(self) -> None:
        self.lock = threading.RLock()

    def renew(self) -> None:
        self.lock = threading.RLock()


_holder = _Holder()
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_holder.renew)


@contextmanager
def one_thread() -> Generator[None]:
    """Wait until no other thread is in such a block; blocks of one thread may be nested.

    The global generators of torch, numpy and Python belong to the process, so that two runs in two
    threads would draw from each other's sequence. A thread that waits warns once per call site.

    Example:
        >>> with one_thread(), one_thread():
        ...     pass
    """
    lock = _holder.lock
    if not lock.acquire(blocking=False):
        warnings.warn(
            "fit: another thread is training or drawing with a seed; this thread waits until it "
            "ends, since both use the global random generators; use processes to train in parallel",
            stacklevel=3,
        )
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def kept_generators() -> Generator[None]:
    """Restore the global random states on exit: torch on the CPU, numpy and Python.

    Example:
        >>> before = torch.get_rng_state()
        >>> with kept_generators():
        ...     _ = torch.rand(3)
        >>> torch.equal(before, torch.get_rng_state())
        True
    """
    with one_thread():
        python, legacy = random.getstate(), np.random.get_state()
        try:
            with torch.random.fork_rng(devices=[]):  # pyright: ignore[reportUnknownMemberType]
                yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)
