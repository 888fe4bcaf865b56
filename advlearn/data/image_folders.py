"""Open a folder of images: in memory if it fits, else streamed."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advlearn.data import streamed_dataset
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.class_labels import Labels
from advlearn.data.folder import FolderImages, decoded
from advlearn.data.options import ReadOptions
from advlearn.data.randomness import spread
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.to_tensor import read, tensor_of
from advlearn.data.user_data import PROBES, in_memory


def from_folder(
    folder: Path, options: ReadOptions, classes: list[str] | None = None
) -> ArrayDataset | StreamedDataset:
    """Read a folder of images; all files are decoded once.

    Args:
        folder: The folder.
        options: Options of reading.
        classes: Names of the classes; None takes those of the sub-folders.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: As `FolderImages`, or a damaged file.
    """
    images = FolderImages(folder, alpha=options.alpha, size=options.sides, classes=classes)
    name, first = folder.resolve().name, tensor_of(_array(images[0]))
    shape = (images.channels, *first.shape[:2])
    bytes_of_all = first.numel() * first.element_size() * len(images)
    fits = bytes_of_all <= streamed_dataset.RESIDENT_BYTES
    indices = range(len(images)) if fits else spread(len(images), PROBES)
    kept = {index: row for row, index in enumerate(indices)}
    out = torch.empty(len(kept), *shape, dtype=first.dtype)
    # Files of data that is streamed are decoded too: a damaged one is named before training.
    for index, x in enumerate(decoded(images)):
        if index in kept:
            out[kept[index]] = _channels_first(tensor_of(x))
    stored, reading = read(out, "NCHW", options.value_range, owned=True)
    names = tuple(images.classes)
    if fits:
        y = torch.tensor(images.targets, dtype=torch.int64)
        labels = Labels(y, len(names), names) if names else None
        return in_memory(stored, reading, labels, name, options)
    reading = replace(reading, layout="NHW" if first.ndim == 2 else "NHWC")
    items = replace(options.items, channels=images.channels)
    source = StreamedDataset(
        images, name, shape, len(names), items=items, reading=reading, class_names=names
    )
    return options.apply(replace(source, notes=reading.scaling.note and (reading.scaling.note,)))


def _array(item: Any) -> Any:
    return item[0] if isinstance(item, tuple) else item


def _channels_first(x: Tensor) -> Tensor:
    return x[None] if x.ndim == 2 else x.movedim(-1, 0)
