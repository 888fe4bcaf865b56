"""Open users' loaders and iterable-style data sets."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    WeightedRandomSampler,
)

from advlearn.data import streamed_dataset
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.dataset_labels import labels_of_all, names_of
from advlearn.data.items import Collate, draw, labels_of, plain_label
from advlearn.data.options import ReadOptions
from advlearn.data.randomness import spread, watched
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.to_tensor import read
from advlearn.data.user_data import PROBES, check_same, in_memory, sample_of

MOST_SAMPLES = 1_000_000
"""Largest number of samples that an iterable-style data set may yield."""


def from_loader(loader: DataLoader[Any], options: ReadOptions) -> ArrayDataset | StreamedDataset:
    """Stream the data of a user's loader with its collation, workers, batch size and shuffling.

    Args:
        loader: A loader.
        options: Options of reading.

    Returns:
        The data, with the loader's settings; in memory for an iterable-style data set.

    Raises:
        TypeError: Items of another form.
        ValueError: A sampler whose order cannot be resumed, or no batch size.
    """
    dataset: Any = loader.dataset
    if isinstance(dataset, IterableDataset) or not hasattr(dataset, "__len__"):
        return from_iterable(dataset, type(dataset).__name__, options)
    sampler, size = loader.sampler, len(dataset)
    plain = type(sampler) in (SequentialSampler, RandomSampler, WeightedRandomSampler)
    if isinstance(sampler, RandomSampler):
        plain = plain and not sampler.replacement and sampler.num_samples == size
    if not plain or loader.batch_size is None:
        custom = type(sampler if loader.batch_size else loader.batch_sampler).__name__
        raise ValueError(
            "data: expected a DataLoader with a batch size, shuffled, weighted or in order, "
            f"got sampler {custom}"
        )
    items = options.items
    with watched():
        chosen = spread(size, PROBES)
        parts = items.parts(loader.collate_fn([draw(dataset, index) for index in chosen]))
        stored, reading = read(parts[0], options.layout, options.value_range)
        fits = stored[0].numel() * 4 * size <= streamed_dataset.RESIDENT_BYTES
        labels, index = (
            labels_of_all(dataset, items, scan=fits) if len(parts) == 2 else (None, None)
        )
    source = StreamedDataset(
        dataset,
        type(dataset).__name__,
        tuple(stored.shape[1:]),
        0 if labels is None else labels.classes,
        loader,
        items,
        reading,
        index,
        () if labels is None else labels.names,
        (*reading.notes, "drawn through its DataLoader"),
    )
    if isinstance(sampler, WeightedRandomSampler):
        source = replace(source, weights=torch.as_tensor(sampler.weights, dtype=torch.float64))
    return options.apply(source)


def collate_of(source: StreamedDataset) -> Collate:
    """Return the collation of the user's loader with the conversion of its batches."""
    loader = cast("DataLoader[Any]", source.loader)
    return Collate(loader.collate_fn, source.items, source.reading, source.index)


def from_iterable(dataset: Iterable[Any], name: str, options: ReadOptions) -> ArrayDataset:
    """Read an iterable-style data set into memory, up to its largest size."""
    items, rows, values, total = options.items, list[Tensor](), list[Any](), 0
    layout = options.layout
    with watched():
        for index, item in enumerate(dataset):
            parts = items.parts(item)
            if index == 0:
                layout = layout or items.layout(parts[0])
            x = sample_of(items, parts[0], index)
            total += x.numel() * x.element_size()
            if total > streamed_dataset.RESIDENT_BYTES or index >= MOST_SAMPLES:
                raise ValueError(
                    f"data: expected an iterable-style data set of at most {MOST_SAMPLES:,} "
                    f"samples and {streamed_dataset.RESIDENT_BYTES / 2**30:g} GiB, got more from "
                    f"{name}; write it to a .npy file, or pass a map-style data set, whose order "
                    "can be resumed"
                )
            rows.append(x)
            values += [plain_label(y) for y in parts[1:]]
            check_same(x, rows[0], index)
    if not rows:
        raise ValueError(f"data: expected at least one sample, got an empty {name}")
    labels = labels_of(values, names_of(dataset)) if values else None
    stored, reading = read(torch.stack(rows), layout, options.value_range, owned=True)
    data = in_memory(stored, reading, labels, name, options)
    return replace(data, notes=(*data.notes, "iterated once and kept"))
