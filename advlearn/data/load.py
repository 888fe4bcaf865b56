"""Open one data set given in any form: name, tensor, array, data set, loader or folder."""

from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from advlearn.core.arguments import checked
from advlearn.core.checks import check_text, describe_value
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.datasets import named, names
from advlearn.data.folder import FolderImages
from advlearn.data.streamed_dataset import StreamedDataset, from_dataset, from_loader, from_tensors
from advlearn.data.toy import Toy


@checked
def load(data: Any, labels: Any = None) -> ArrayDataset | StreamedDataset:
    """Open one data set given in any form.

    Images of dtype uint8, (N, H, W), (N, C, H, W) or (N, H, W, C), are scaled to [-1, 1] and made
    channel-first. Float images must be channel-first and are not scaled: they lie in [-1, 1] or are
    standardised, and values beyond 8 in magnitude are refused as unscaled. Float data of any
    precision becomes float32.

    A map-style data set is loaded into memory as one tensor if that takes at most `RESIDENT_BYTES`
    and drawing its first sample always gives the same values. Otherwise, and always for a
    DataLoader, samples are streamed.

    Args:
        data: One of
            a name (see `names()`; `"mnist"` is the training part, `"mnist-test"` the test part);
            a path to a folder of images of one size, flat or with one sub-folder per class;
            a tensor or numpy array (N, ...);
            a tuple (x, y) of them;
            a map-style torch Dataset with items x or (x, y);
            a DataLoader of one, whose batch size, collation, workers and shuffling are kept;
            a `Toy`, an `ArrayDataset` or a `StreamedDataset`.
        labels: Class indices (N,) or float vectors (N, d), for a tensor or an array only.

    Returns:
        `ArrayDataset` for data in memory, else `StreamedDataset`; pass either to `batches`.

    Raises:
        ValueError: An unknown name, empty data, a value that is not finite, labels out of range or
            of another length, unscaled images, images of different sizes.
        TypeError: Data or labels of another type.
        FileNotFoundError: No such folder, or a data set that is missing and cannot be downloaded.

    Example:
        >>> data = load(np.zeros((5, 28, 28), dtype=np.uint8), labels=[0, 1, 2, 1, 0])
        >>> data.shape, data.classes, float(data.x[0].max())
        ((1, 28, 28), 3, -1.0)
    """
    if isinstance(data, (Tensor, np.ndarray)):
        return from_tensors(data, labels, "tensor" if isinstance(data, Tensor) else "array")
    if labels is not None:
        raise ValueError(
            f"labels: expected none except with a tensor or an array, got labels with data of type "
            f"{describe_value(data)}; pass (x, y) or data that has labels"
        )
    if isinstance(data, str):
        check_text("data", data)
    match data:
        case ArrayDataset() | StreamedDataset():
            return data
        case Toy():
            return data.data
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
                "data: expected a name, folder, tensor, array, (x, y), Dataset or loader, "
                f"got {describe_value(data)}"
            )


def _looks_like_path(text: str) -> bool:
    return any(mark in text for mark in "/\\.~") or Path(text).is_dir()
