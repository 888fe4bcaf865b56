"""Open users' arrays and data sets: in memory if they fit, else streamed."""

from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from advlearn.core.checks import describe_value
from advlearn.data import streamed_dataset
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.class_labels import Labels, read_labels
from advlearn.data.dataset_labels import labels_of_all, names_of
from advlearn.data.items import ItemReader, draw, in_colour, labels_of, plain_label
from advlearn.data.layouts import channel_first, layout_of
from advlearn.data.options import DEFAULT_OPTIONS, ReadOptions
from advlearn.data.randomness import REPEATED, differs, random_transform, spread, watched
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.to_tensor import Reading, read, tensor_of

PROBES = 64
"""Number of samples, spread over the data, that the reading of streamed data is decided by."""


def from_tensors(x: Any, y: Any, name: str, options: ReadOptions = DEFAULT_OPTIONS) -> ArrayDataset:
    """Make an `ArrayDataset` from samples and labels in memory.

    Args:
        x: Tensor or array (N, ...), see `load`.
        y: Labels, see `read_labels`, or None.
        name: Name of the data.
        options: Options of reading.

    Returns:
        The data.
    """
    stored, reading = read(x, options.layout, options.value_range)
    return in_memory(stored, reading, None if y is None else read_labels(y), name, options)


def in_memory(
    stored: Tensor, reading: Reading, labels: Labels | None, name: str, options: ReadOptions
) -> ArrayDataset:
    """Build the data set of samples that were read, with the options applied."""
    labels = labels or Labels(torch.empty(0))
    data = ArrayDataset(
        stored,
        labels.y if len(labels.y) else None,
        name,
        labels.classes,
        class_names=labels.names,
        notes=(*reading.notes, *labels.notes),
        mapped=reading.mapped,
    )
    return options.apply(data)


def from_dataset(
    dataset: Dataset[Any], name: str | None = None, options: ReadOptions = DEFAULT_OPTIONS
) -> ArrayDataset | StreamedDataset:
    """Load a data set into memory if it fits and is deterministic, else stream it.

    Args:
        dataset: Map-style data set with items x, (x, y) or dicts.
        name: Name of the data; by default that of its class.
        options: Options of reading.

    Returns:
        `ArrayDataset` up to `RESIDENT_BYTES`; `StreamedDataset` for larger data, and for data that
        draws random numbers, which a copy in memory would freeze.

    Raises:
        TypeError: Items of another form.
        ValueError: No samples, or samples of different shapes.
    """
    name = name or type(dataset).__name__
    n = len(cast(Any, dataset))
    if n == 0:
        raise ValueError(f"data: expected at least one sample, got an empty {name}")
    if type(dataset) is TensorDataset:
        parts = options.items.parts(dataset.tensors)
        return from_tensors(parts[0], parts[1] if len(parts) == 2 else None, name, options)
    with watched() as moved:
        random = random_transform(dataset) or _draws_random(dataset, options, moved, n)
        items = options.items
        first = items.parts(draw(dataset, 0))
        x = sample_of(items, first[0], 0)
        fits = x.numel() * x.element_size() * n <= streamed_dataset.RESIDENT_BYTES
        if fits and not random:
            found = _resident(dataset, items, name, options)
            if not moved():
                return found
            random = "random numbers"
        return _streamed(dataset, name, options, random, scan=fits)


def _resident(dataset: Any, items: ItemReader, name: str, options: ReadOptions) -> ArrayDataset:
    """Copy all samples into one tensor."""
    first = draw(dataset, 0)
    layout = options.layout or known_layout(items, first)
    x, values = sample_of(items, items.parts(first)[0], 0), list[Any]()
    known = layout or layout_of((len(dataset), *x.shape), integer=not x.is_floating_point())
    head = channel_first(x[None], known)  # pyright: ignore[reportArgumentType]
    out = torch.empty(len(dataset), *head.shape[1:], dtype=x.dtype)
    for index in range(len(dataset)):
        parts = items.parts(draw(dataset, index))
        row = sample_of(items, parts[0], index)
        if row.ndim == 3 and x.ndim == 2 and layout == "NHW" and options.layout is None:
            # A colour picture after grey ones: all get three channels.
            return _resident(dataset, in_colour(items), name, options)
        if row.ndim == 2 and x.ndim == 3 and layout == "NHWC" and items.channels is None:
            return _resident(dataset, in_colour(items), name, options)
        check_same(row, x, index)
        out[index] = channel_first(row[None], known)[0]  # pyright: ignore[reportArgumentType]
        values += [plain_label(y) for y in parts[1:]]
    given = _first_channels(known)
    stored, reading = read(out, given, options.value_range, owned=True)
    if given != known:
        reading = replace(reading, layout=known)  # pyright: ignore[reportArgumentType]
    if values and len(values) != len(dataset):
        raise ValueError("data: expected a label for every sample or for none, got some")
    labels = labels_of(values, names_of(dataset)) if values else None
    return in_memory(stored, reading, labels, name, options)


def _streamed(
    dataset: Any, name: str, options: ReadOptions, random: str | None, *, scan: bool
) -> StreamedDataset:
    """Decide how samples are read from some that are spread over the data."""
    items = options.items
    chosen = spread(len(dataset), PROBES)
    drawn = [items.parts(draw(dataset, index)) for index in chosen]
    arrays = [parts[0] for parts in drawn]
    rows = [sample_of(items, x, index) for x, index in zip(arrays, chosen, strict=True)]
    if len({row.ndim for row in rows}) > 1 and items.layout(arrays[0]) is not None:
        items = in_colour(items)
        rows = [sample_of(items, x, index) for x, index in zip(arrays, chosen, strict=True)]
    for row, index in zip(rows, chosen, strict=True):
        check_same(row, rows[0], index)
    layout = options.layout or items.layout(arrays[0])
    stored, reading = read(torch.stack(rows), layout, options.value_range, owned=True)
    labels, index = labels_of_all(dataset, items, scan=scan) if len(drawn[0]) == 2 else (None, None)
    why = f"drawn anew each epoch: {random}" if random else "drawn from its source"
    source = StreamedDataset(
        dataset,
        name,
        tuple(stored.shape[1:]),
        0 if labels is None else labels.classes,
        None,
        items,
        reading,
        index,
        () if labels is None else labels.names,
        (*reading.notes, why),
    )
    return options.apply(source)


def _draws_random(dataset: Any, options: ReadOptions, moved: Any, n: int) -> str | None:
    """Return what is random about drawing samples, or None."""

    def drawn(index: int) -> Any:
        return sample_of(options.items, options.items.parts(draw(dataset, index))[0], index)

    if differs(drawn, spread(n, REPEATED)):
        return "its samples change"
    return "random numbers" if moved() else None


def sample_of(items: ItemReader, x: Any, index: int) -> Tensor:
    """Return one sample as a tensor of the user's type."""
    return tensor_of(items.array(x, f"sample {index}")).detach()


def _first_channels(layout: Any) -> str | None:
    """Return the layout that a batch has after `channel_first`."""
    moved = {"NHW": "NCHW", "NHWC": "NCHW", "NLC": "NCL", "NDHWC": "NCDHW"}
    return moved.get(layout, layout)


def known_layout(items: ItemReader, item: Any) -> str | None:
    """Return the layout of pictures, which is known; None for arrays."""
    return items.layout(items.parts(item)[0])


def check_same(x: Tensor, first: Tensor, index: int) -> None:
    """Raise a ValueError unless a sample has the shape and the type of the first one."""
    if x.shape != first.shape:
        raise ValueError(
            f"data: expected samples of shape {tuple(first.shape)} like the first one, "
            f"got {tuple(x.shape)} in sample {index}"
        )
    if x.dtype != first.dtype:
        raise ValueError(
            f"data: expected {describe_value(first)} like the first sample, "
            f"got {describe_value(x)} in sample {index}; return one type"
        )
