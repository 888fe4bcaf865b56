"""A short description of the content of data, by which two runs compare what they train on."""

import random
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from hashlib import blake2b
from typing import Any, Final, cast

import numpy as np
import torch
from torch import Tensor

from advlearn.core.checks import describe_value
from advlearn.core.identity import checksum, name_of, values_of
from advlearn.core.one_thread import kept_generators

WHOLE: Final = 16 * 2**20
"""Bytes up to which every byte of a tensor is hashed; of a larger one, a sample of this size."""
ITEMS: Final = 8
"""Items of a streamed data set whose content counts, evenly spaced from the first to the last."""
REPEATS: Final = 3
"""Draws of each item, which detect items with random numbers of a private generator."""

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64, 16: torch.int64}
# Fields without an effect on batches, or compared under another name.
_NOT_COMPARED = ("name", "test_part", "notes", "mapped", "dataset", "loader")
# Attributes in which data sets of torch and torchvision hold all samples or labels.
_HELD = ("tensors", "data", "targets")


def fingerprint(source: Any) -> dict[str, Any]:
    """Describe the content of data as plain values; equal data give equal values.

    Every field of the data counts: samples, labels and settings. A tensor in memory is hashed to
    the last byte up to `WHOLE` bytes. A larger one is hashed on evenly spaced rows, the first and
    the last included, and all its bytes are added up. Of a data set that is streamed, the length,
    `ITEMS` items, and the tensors and labels that data sets of torch hold count; items that differ
    from draw to draw with equal global seeds do not. Of its DataLoader, shuffling, kind of sampler,
    ``drop_last`` and collation count. Data without an index counts by its type and the length that
    it states.

    Args:
        source: Data of any form that `advlearn.data.batches` takes.

    Returns:
        Plain values by field; those of a tensor are its dtype, shape and checksum.

    Example:
        >>> from advlearn.data import ArrayDataset
        >>> zeros = fingerprint(ArrayDataset(torch.zeros(4, 2)))
        >>> ones = fingerprint(ArrayDataset(torch.ones(4, 2)))
        >>> zeros["stored"].rpartition(" ")[0], zeros == ones
        ('float32 (4, 2)', False)
    """
    if hasattr(source, "parts"):
        return {f"part_{k}": fingerprint(part) for k, part in enumerate(source.parts())}
    found: dict[str, Any] = {"kind": type(source).__name__}
    if is_dataclass(source):
        held = {field.name: getattr(source, field.name) for field in fields(source)}
        found |= {n: _plain(v) for n, v in held.items() if n not in _NOT_COMPARED}
    elif hasattr(source, "columns"):
        found |= {f"column_{k}": _plain(column) for k, column in enumerate(source.columns)}
    else:
        found |= _items(source)
    dataset = getattr(source, "dataset", None)
    if dataset is not None:
        found |= _items(dataset)
    if getattr(source, "loader", None) is not None:
        found["loader"] = _order(source)
    return {name: value for name, value in found.items() if value is not None}


def _order(source: Any) -> dict[str, Any]:
    """Return the settings of a user's DataLoader that decide which batches are drawn."""
    loader = source.loader
    return {
        "shuffle": bool(source.shuffle),
        "sampler": type(loader.sampler).__name__,
        "drop_last": bool(loader.drop_last),
        "collate": name_of(loader.collate_fn),
        "collate_values": values_of(loader.collate_fn),
    }


def _plain(value: Any) -> Any:
    """Return a field as plain values; None for an object that has no plain form."""
    if isinstance(value, Tensor):
        return _tensor(value)
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Mapping):
        named = cast(Mapping[Any, Any], value)
        return {str(name): _plain(part) for name, part in named.items()}
    if isinstance(value, tuple | list):
        return str([_plain(part) for part in cast(list[Any], value)])
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return None


def _tensor(values: Tensor) -> str:
    """Return dtype, shape and checksum of a tensor."""
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


def _items(dataset: Any) -> dict[str, Any]:
    """Describe a user's data set by its class, its length and some items."""
    found: dict[str, Any] = {"kind": type(dataset).__name__}
    if hasattr(dataset, "__len__"):
        found["length"] = len(dataset)
    if not hasattr(dataset, "__getitem__") or not found.get("length"):
        return found
    attributes = {name: getattr(dataset, name, None) for name in _HELD}
    held = {name: _held(value) for name, value in attributes.items() if value is not None}
    found |= {name: value for name, value in held.items() if value is not None}
    last = found["length"] - 1
    indices = sorted({k * last // (ITEMS - 1) for k in range(ITEMS)})
    with kept_generators():
        repeats = [[_seeded(dataset, index) for _ in range(REPEATS)] for index in indices]
    if any(item != again for item, *rest in repeats for again in rest):
        return found
    digest = blake2b(repr([item for item, *_ in repeats]).encode(), digest_size=6)
    return {**found, "items": digest.hexdigest()}


def _held(value: Any) -> Any:
    """Describe all samples or labels that a data set holds; None for another kind of object."""
    if isinstance(value, Tensor | tuple):
        return _plain(value)
    plain = isinstance(value, list) and all(type(x) is int for x in cast(list[Any], value))
    return checksum(value) if plain else None


def _seeded(dataset: Any, index: int) -> Any:
    """Draw an item with fixed seeds of the global generators, and describe it."""
    torch.default_generator.manual_seed(index)
    np.random.seed(index)
    random.seed(index)
    return _item(dataset[index])


def _item(value: Any) -> Any:
    if isinstance(value, Mapping):
        named = cast(Mapping[Any, Any], value)
        return {str(name): _item(part) for name, part in named.items()}
    if isinstance(value, tuple | list):
        return [_item(part) for part in cast(list[Any], value)]
    if isinstance(value, Tensor):
        return _tensor(value)
    array = np.asarray(value)
    if array.dtype.kind == "O":
        return type(value).__name__
    digest = blake2b(np.ascontiguousarray(array).tobytes(), digest_size=6)
    return f"{array.dtype} {array.shape} {digest.hexdigest()}"
