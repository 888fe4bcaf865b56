"""One door for data: names, tensors, arrays, data sets, loaders and folders."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from advlearn.data.array_dataset import ArrayDataset, show
from advlearn.data.datasets import named, names
from advlearn.data.folder import FolderImages
from advlearn.data.streamed_dataset import StreamedDataset, from_dataset, from_loader, from_tensors
from advlearn.data.toy import Toy


def load(data: Any, labels: Any = None) -> ArrayDataset | StreamedDataset:
    """Read data of any usual form.

    Images of dtype uint8, (N, H, W), (N, C, H, W) or (N, H, W, C), are scaled to [-1, 1] and made
    channel-first. Float images must be channel-first and are taken as they are: in [-1, 1] or
    standardised; values beyond 8 in magnitude are refused as unscaled. Float data of any width
    becomes float32.

    A map-style data set is held in memory as one tensor if that takes at most `RESIDENT_BYTES` and
    its first sample is the same each time it is drawn; otherwise, and always for a DataLoader,
    samples are drawn lazily.

    Args:
        data: One of
            a name (see `names()`; `"mnist"` is the training part, `"mnist-test"` the test part);
            a path to a folder of images of one size, flat or with a sub-folder a class;
            a tensor or numpy array (N, ...);
            a tuple (x, y) of them;
            a map-style torch Dataset with items x or (x, y);
            a DataLoader over one, whose batch size, collation, workers and shuffling are kept;
            a Toy, a Source or a StreamedDataset.
        labels: Class indices (N,), or float vectors (N, d), only beside a tensor or an array.

    Returns:
        `ArrayDataset` for data in memory, else `StreamedDataset`; give either to `batches`.

    Raises:
        ValueError: An unknown name (with near ones), empty data, a value that is not finite, labels
            out of range or of another length, unscaled images, images of unequal size.
        TypeError: Data or labels of another type.
        FileNotFoundError: No such folder, or a data set that is not at hand and cannot be
        downloaded.

    Example:
        >>> source = load(np.zeros((5, 28, 28), dtype=np.uint8), labels=[0, 1, 2, 1, 0])
        >>> source.shape, source.classes, float(source.x[0].max())
        ((1, 28, 28), 3, -1.0)
    """
    if isinstance(data, (Tensor, np.ndarray)):
        return from_tensors(data, labels, "tensor" if isinstance(data, Tensor) else "array")
    if labels is not None:
        raise ValueError(f"labels: only go with a tensor or an array as data, got {show(data)}")
    match data:
        case ArrayDataset() | StreamedDataset():
            return data
        case Toy():
            return data.source
        case str() if data in names() or not _looks_like_path(data):
            return named(data)
        case str() | Path():
            return from_dataset(FolderImages(data), Path(data).resolve().name)
        case (x, y) if isinstance(data, tuple):
            return from_tensors(x, y, "tensor" if isinstance(x, Tensor) else "array")
        case DataLoader():
            return from_loader(data)
        case Dataset():
            return from_dataset(data)
        case _:
            raise TypeError(
                f"data: expected a name, folder, tensor, array, (x, y), Dataset or loader, got {show(data)}"
            )


def _looks_like_path(text: str) -> bool:
    return any(mark in text for mark in "/\\.~") or Path(text).is_dir()
