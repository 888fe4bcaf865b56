"""A short text on the content of data, by which two runs compare what they train on."""

import random
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor

from advlearn.core.checks import describe_value
from advlearn.core.identity import name_of, values_of
from advlearn.data.streamed_dataset import Collate, Samples, StreamedDataset, untouched_rng

WHOLE: Final = 16 * 2**20
"""Bytes up to which every byte of a tensor is hashed; of a larger one, a sample of this size."""
ITEMS: Final = 8
"""Items of a streamed data set whose content counts, evenly spaced from the first to the last."""
REPEATS: Final = 3
"""Draws of each item, which detect items with random numbers of a private generator."""

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}


def fingerprint(source: Any) -> str:
    """Describe the content of data in one line; equal data give equal lines.

    Tensors in memory are hashed to the last byte up to `WHOLE` bytes. A larger tensor is hashed on
    evenly spaced rows, the first and the last included, and all its bytes are added up. Of a
    streamed data set the length and `ITEMS` items count; items that differ from draw to draw with
    equal global seeds count by their shape only. Data without an index counts by its type and the
    length that it states.

    Args:
        source: Data of any form that `advlearn.data.batches` takes.

    Returns:
        Shape, dtype and checksum of each part: samples, labels and further columns.

    Example:
        >>> from advlearn.data import ArrayDataset
        >>> zeros, ones = ArrayDataset(torch.zeros(4, 2)), ArrayDataset(torch.ones(4, 2))
        >>> fingerprint(zeros).rpartition(" ")[0]
        'float32 (4, 2)'
        >>> fingerprint(zeros) == fingerprint(ones)
        False
    """
    if hasattr(source, "parts"):
        return " and ".join(fingerprint(part) for part in source.parts())
    if isinstance(source, StreamedDataset):
        return _streamed(source)
    if hasattr(source, "columns"):
        return ", ".join(_tensor(column) for column in source.columns)
    length = f" of {len(source)} samples" if hasattr(source, "__len__") else ""
    return f"{type(source).__name__}{length}"


def order(source: Any) -> dict[str, Any]:
    """Return the settings of a user's DataLoader that decide which batches are drawn.

    Args:
        source: Data as for `fingerprint`.

    Returns:
        Shuffling, kind of sampler, ``drop_last`` and collation as plain values; empty without a
        loader.

    Example:
        >>> from torch.utils.data import DataLoader, TensorDataset
        >>> from advlearn.data import load
        >>> loader = DataLoader(TensorDataset(torch.zeros(4, 2)), batch_size=2)
        >>> order(load(loader))["shuffle"]
        False
    """
    if hasattr(source, "parts"):
        parts = {f"part_{k}": order(part) for k, part in enumerate(source.parts())}
        return {name: found for name, found in parts.items() if found}
    loader = getattr(source, "loader", None)
    if loader is None:
        return {}
    return {
        "shuffle": bool(source.shuffle),
        "sampler": type(loader.sampler).__name__,
        "drop_last": bool(loader.drop_last),
        "collate": name_of(loader.collate_fn),
        "collate_values": values_of(loader.collate_fn),
    }


def _tensor(values: Any) -> str:
    """Return dtype, shape and checksum of a tensor."""
    if not isinstance(values, Tensor):
        return describe_value(values)
    values = values.detach()
    digest = blake2b(digest_size=6)
    if values.numel() * values.element_size() <= WHOLE:
        digest.update(_integers(values).cpu().numpy().tobytes())
    else:
        row = max(values[0].numel() * values.element_size(), 1)
        count = min(max(WHOLE // row, 2), len(values))
        chosen = torch.linspace(0, len(values) - 1, count, dtype=torch.float64).round().long()
        digest.update(_integers(values[chosen.to(values.device)]).cpu().numpy().tobytes())
        # A sum of integers is exact in any order, and a change of one bit changes it.
        sums = [int(_integers(part).sum()) for part in values.split(max(WHOLE // row, 1))]
        digest.update(repr(sums).encode())
    return f"{describe_value(values)} {digest.hexdigest()}"


def _integers(values: Tensor) -> Tensor:
    """Return the bytes of a tensor as integers."""
    return values.contiguous().reshape(-1).view(_INTEGERS[values.element_size()])


def _streamed(source: StreamedDataset) -> str:
    dataset: Any = source.dataset
    kind = type(dataset).__name__
    if not hasattr(dataset, "__getitem__"):
        return f"{kind} of {len(source)} samples"
    draw: Callable[[int], tuple[Any, ...]] = Samples(dataset).__getitem__
    if source.loader is not None:
        collate = Collate(cast(Any, source.loader.collate_fn))
        draw = lambda index: collate([dataset[index]])  # noqa: E731
    indices = sorted({k * (len(source) - 1) // (ITEMS - 1) for k in range(ITEMS)})
    with untouched_rng():
        repeats = [[_seeded(draw, index) for _ in range(REPEATS)] for index in indices]
    shape = f"{len(source)} items {tuple(source.shape)} of {kind}"
    if any(item != again for item, *rest in repeats for again in rest):
        return shape
    digest = blake2b(repr([item for item, *_ in repeats]).encode(), digest_size=6)
    return f"{shape} {digest.hexdigest()}"


def _seeded(draw: Callable[[int], tuple[Any, ...]], index: int) -> list[str]:
    """Draw an item with fixed seeds of the global generators, and describe its parts."""
    torch.default_generator.manual_seed(index)
    np.random.seed(index)
    random.seed(index)
    return [_tensor(torch.as_tensor(part)) for part in draw(index)]
