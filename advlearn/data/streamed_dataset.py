"""Data drawn sample by sample: map-style data sets too big for memory, and users' loaders."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
)

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.core.one_thread import kept_generators
from advlearn.data.array_dataset import ArrayDataset, Kind, kind_of
from advlearn.data.to_tensor import finite, image, labels, samples

RESIDENT_BYTES = 2 * 1024**3
"""A data set whose samples take at most this many bytes in float32 is held in memory."""

PROBES = 8
"""Number of draws of the first sample, which detect random augmentation."""


@checked
@final
@dataclass(frozen=True, eq=False)
class StreamedDataset:
    """Hold a map-style data set whose samples are drawn one by one, and the facts about it.

    `load` builds it and `StreamedBatches` draws from it.

    Args:
        dataset: The user's data set, with items x or (x, y).
        name: Name of the data in logs.
        shape: Shape of one sample after conversion.
        classes: Number of classes; 0 without labels.
        loader: The user's loader, whose collation, workers, batch size and order (shuffled or not)
            are kept; None where `load` received the data set itself.
    """

    dataset: Dataset[Any]
    name: str
    shape: tuple[int, ...]
    classes: int = 0
    loader: DataLoader[Any] | None = None

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    @property
    def kind(self) -> Kind:
        """`"image"` for samples of shape (C, H, W), else `"vector"`."""
        return kind_of(self.shape)

    @property
    def batch_size(self) -> int | None:
        """Batch size of the user's loader; None without one."""
        return None if self.loader is None else self.loader.batch_size

    def unlabelled(self) -> "StreamedDataset":
        """Return the data set itself; tasks ignore the labels of its samples."""
        return self

    def test(self) -> None:
        """Return None: a streamed data set has no test part."""

    @property
    def shuffle(self) -> bool:
        """False where the user's loader goes through the data in order."""
        return self.loader is None or not isinstance(self.loader.sampler, SequentialSampler)


@final
class Samples(Dataset[tuple[Any, ...]]):
    """Convert the items of a user's data set to (x,) or (x, y), x float32 of one shape, y an int.

    Args:
        dataset: Map-style data set with items x or (x, y); x a tensor, an array or a PIL image.
    """

    def __init__(self, dataset: Dataset[Any]) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        parts = split(self.dataset[index])
        x = image(parts[0])
        x = finite(samples(x[None] if isinstance(x, (Tensor, np.ndarray)) else x))[0]
        return (x, _class_index(parts[1])) if len(parts) == 2 else (x,)


@final
class Collate:
    """Apply a user's collation and convert the batch to (x,) or (x, y).

    Args:
        collate: Function from a list of items to a batch x or (x, y).
    """

    def __init__(self, collate: Callable[[list[Any]], Any]) -> None:
        self.collate = collate

    def __call__(self, items: list[Any]) -> tuple[Tensor, ...]:
        parts = split(self.collate(items))
        return (finite(samples(parts[0])), *map(labels, parts[1:]))


def split(item: Any) -> tuple[Any, ...]:
    """Read an item or a batch as (x,) or (x, y).

    Example:
        >>> split([1, 2])
        (1, 2)
    """
    if not isinstance(item, (tuple, list)):
        if isinstance(item, dict):
            raise TypeError("data: expected items x or (x, y), got a dict")
        return (item,)
    if len(item) not in (1, 2):
        raise TypeError(f"data: expected items x or (x, y), got {len(item)} parts")
    return tuple(item)


def from_dataset(dataset: Dataset[Any], name: str | None = None) -> ArrayDataset | StreamedDataset:
    """Load a map-style data set into memory if it fits and is deterministic, else stream it.

    Args:
        dataset: Map-style data set with items x or (x, y).
        name: Name of the data; by default that of its class.

    Returns:
        `ArrayDataset` up to `RESIDENT_BYTES`; `StreamedDataset` for larger data, or where drawing
        the first sample `PROBES` times gives different values (random augmentation, which a copy in
        memory would freeze).

    Raises:
        TypeError: An iterable-style data set, or items that are not x or (x, y).
        ValueError: No samples, or samples of different shapes.
    """
    name = name or type(dataset).__name__
    _check_map_style(dataset)
    if type(dataset) is TensorDataset:
        parts = split(dataset.tensors)
        return from_tensors(parts[0], parts[1] if len(parts) == 2 else None, name)
    source = Samples(dataset)
    with kept_generators():
        first = source[0]
        fits = first[0].numel() * 4 * len(source) <= RESIDENT_BYTES
        if fits and all(torch.equal(first[0], source[0][0]) for _ in range(PROBES - 1)):
            return _resident(source, name)
        classes = _classes(dataset, fits) if len(first) == 2 else 0
    return StreamedDataset(dataset, name, tuple(first[0].shape), classes)


def from_loader(loader: DataLoader[Any]) -> StreamedDataset:
    """Stream the data of a user's loader with its collation, workers, batch size and shuffling.

    Args:
        loader: A loader of a map-style data set.

    Returns:
        The data, with the loader's settings.

    Raises:
        TypeError: An iterable-style data set, or items that are not x or (x, y).
        ValueError: A sampler whose order cannot be resumed, or no batch size.
    """
    _check_map_style(loader.dataset)
    sampler, size = loader.sampler, len(cast(Any, loader.dataset))
    plain = type(sampler) in (SequentialSampler, RandomSampler)
    if isinstance(sampler, RandomSampler):
        plain = plain and not sampler.replacement and sampler.num_samples == size
    if not plain or loader.batch_size is None:
        custom = type(sampler if loader.batch_size else loader.batch_sampler).__name__
        raise ValueError(
            "data: expected a DataLoader with a batch size, shuffled or in order, "
            f"got sampler {custom}"
        )
    with kept_generators():
        parts = Collate(loader.collate_fn)([loader.dataset[0]])
        shape = tuple(parts[0].shape[1:])
        fits = int(np.prod(shape)) * 4 * size <= RESIDENT_BYTES
        classes = _classes(loader.dataset, fits) if len(parts) == 2 else 0
    return StreamedDataset(loader.dataset, type(loader.dataset).__name__, shape, classes, loader)


def from_tensors(x: Any, y: Any, name: str) -> ArrayDataset:
    """Make an `ArrayDataset` from samples and labels in memory.

    Args:
        x: Tensor or array (N, ...), see `load`.
        y: Class indices (N,), float vectors (N, d), or None.
        name: Name of the data.

    Returns:
        The data; its number of classes is the largest label plus 1.
    """
    converted = samples(x)
    if y is None:
        return ArrayDataset(converted, None, name)
    if getattr(y, "ndim", 1) == 2 and "float" in str(y.dtype):
        return ArrayDataset(converted, samples(y), name)
    classes = labels(y)
    return ArrayDataset(converted, classes, name, int(classes.max()) + 1 if len(classes) else 0)


def _check_map_style(dataset: Any) -> None:
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        raise TypeError(
            "data: expected a map-style data set (its order can be resumed), "
            f"got {type(dataset).__name__}"
        )
    if len(dataset) == 0:
        raise ValueError(
            f"data: expected at least one sample, got an empty {type(dataset).__name__}"
        )


def _resident(source: Samples, name: str) -> ArrayDataset:
    first = source[0]
    x = torch.empty(len(source), *first[0].shape)
    y = torch.empty(len(source) if len(first) == 2 else 0, dtype=torch.int64)
    for index in range(len(source)):
        item = source[index]
        if item[0].shape != first[0].shape or len(item) != len(first):
            raise ValueError(
                f"data: expected samples of shape {tuple(first[0].shape)} like the first one, "
                f"got {tuple(item[0].shape)} in sample {index}"
            )
        x[index] = item[0]
        if len(first) == 2:
            y[index] = item[1]
    if len(first) == 1:
        return ArrayDataset(x, None, name)
    class_names = getattr(source.dataset, "classes", ())
    return ArrayDataset(x, y, name, max(int(y.max()) + 1, len(class_names)))


def _classes(dataset: Any, scan: bool) -> int:
    if isinstance(dataset, Subset):
        return _classes(dataset.dataset, scan)
    if isinstance(dataset, TensorDataset):
        return int(dataset.tensors[1].max()) + 1
    if getattr(dataset, "classes", None) is not None:
        return len(dataset.classes)
    if getattr(dataset, "targets", None) is not None:
        return int(torch.as_tensor(dataset.targets).max()) + 1
    if not scan:
        raise ValueError(
            f"data: expected an attribute `classes` or `targets` on {type(dataset).__name__}, got "
            "neither; the data is too big to read its labels from the samples"
        )
    return max(_class_index(split(dataset[index])[1]) for index in range(len(dataset))) + 1


def _class_index(y: Any) -> int:
    single = (
        y.numel() == 1
        if isinstance(y, Tensor)
        else isinstance(y, (np.ndarray, np.generic)) and y.size == 1
    )
    value = y.item() if single else y
    if not isinstance(value, int):
        raise TypeError(f"labels: expected a class index (int) per sample, got {describe_value(y)}")
    return int(value)
