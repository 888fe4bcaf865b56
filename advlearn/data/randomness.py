"""Recognise data sets that draw random numbers, such as those with random augmentation."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from advlearn.core.one_thread import kept_generators

REPEATED = 8
"""Number of samples, spread over the data, that are drawn twice."""

RANDOM_NAMES = (
    "Random",
    "ColorJitter",
    "AutoAugment",
    "RandAugment",
    "TrivialAugment",
    "AugMix",
    "GaussianBlur",
    "GaussianNoise",
    "ElasticTransform",
    "ScaleJitter",
)
"""Beginnings of the names of the random transforms of torchvision."""

_ATTRIBUTES = ("transform", "transforms", "target_transform", "dataset", "datasets")


def random_transform(dataset: Any) -> str | None:
    """Return the name of the first random transform of a data set; None without one.

    Data sets inside data sets and transforms inside transforms are searched.

    Example:
        >>> class RandomNoise: ...
        >>> class Data:
        ...     transform = RandomNoise()
        >>> random_transform(Data())
        'RandomNoise'
    """
    return _search(dataset, depth=8, transform=False)


def spread(n: int, count: int) -> list[int]:
    """Return up to `count` indices, spread evenly over n samples.

    Example:
        >>> spread(100, 3)
        [0, 49, 99]
    """
    return sorted({int(index) for index in np.linspace(0, n - 1, min(n, count))})


@contextmanager
def watched() -> Iterator[Callable[[], bool]]:
    """Restore the global random states on exit; yields a function that says whether they moved.

    The states are those of torch on the CPU, of numpy and of Python.
    """
    with kept_generators():
        yield _movement()


def _movement() -> Callable[[], bool]:
    """Return a function that says whether the global random states have moved since this call."""
    python, legacy = random.getstate(), np.random.get_state()
    start = torch.get_rng_state()

    def moved() -> bool:
        # numpy's state of the legacy generator: its keys and its position.
        now: Any = np.random.get_state()
        before: Any = legacy
        same_numpy = now[2] == before[2] and np.array_equal(now[1], before[1])
        return not (
            same_numpy and random.getstate() == python and torch.equal(torch.get_rng_state(), start)
        )

    return moved


def differs(draw: Callable[[int], Any], indices: Sequence[int]) -> bool:
    """Return whether drawing a sample twice gives different values, for one of some samples."""
    return any(not _equal(draw(index), draw(index)) for index in indices)


def _equal(a: Any, b: Any) -> bool:
    a, b = (np.asarray(x.detach().cpu() if torch.is_tensor(x) else x) for x in (a, b))
    return a.shape == b.shape and bool(np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))


def _search(part: Any, depth: int, transform: bool) -> str | None:
    if depth == 0 or part is None:
        return None
    name = type(part).__name__
    if transform and name.startswith(RANDOM_NAMES):
        return name
    inner = [(key in _ATTRIBUTES[:3], getattr(part, key, None)) for key in _ATTRIBUTES]
    if isinstance(part, torch.nn.Module):
        inner += [(True, child) for child in part.children()]
    for inside, value in inner:
        values: Any = value if isinstance(value, (list, tuple)) else [value]
        for each in values:
            plain = isinstance(each, (str, int, float, np.ndarray, torch.Tensor))
            found = None if plain else _search(each, depth - 1, inside or transform)
            if found is not None:
                return found
    return None
