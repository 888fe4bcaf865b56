"""Random numbers of each session: one session trains at a time, from its own random state."""

import random
import threading
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, final

import numpy as np
import torch

from advlearn.core.one_thread import one_thread

_turn = threading.Lock()


@final
class RandomState:
    """Hold the state of the global generators for one session.

    A session's numbers then depend on its seed only, not on other sessions, and drawing a frame
    does not change the training.

    Args:
        seed: Seed of torch, numpy and Python.

    Example:
        >>> one, two = RandomState(3), RandomState(3)
        >>> with one.used():
        ...     first = torch.rand(2)
        >>> with two.used():
        ...     bool((torch.rand(2) == first).all())
        True
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._state: tuple[Any, Any, Any] | None = None

    @contextmanager
    def used(self, *, kept: bool = True) -> Generator[None]:
        """Use this state in a block; other sessions wait until it ends.

        Args:
            kept: Whether the next block continues the sequence; False for drawings and figures.
        """
        with _turn, one_thread():
            before = _get()
            if self._state is None:
                torch.manual_seed(self.seed)
                np.random.seed(self.seed)
                random.seed(self.seed)
                self._state = _get()
            else:
                _set(self._state)
            try:
                yield
            finally:
                if kept:
                    self._state = _get()
                _set(before)


def _get() -> tuple[Any, Any, Any]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _set(state: tuple[Any, Any, Any]) -> None:
    torch.set_rng_state(state[0])
    np.random.set_state(state[1])
    random.setstate(state[2])
