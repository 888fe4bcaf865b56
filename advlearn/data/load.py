"""Open one data set given in any form: name, tensor, array, data set, loader, file or folder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset

from advlearn.core.arguments import checked
from advlearn.core.checks import check_text, describe_value, user_path
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.array_files import ARRAY_SUFFIXES, read_array_file
from advlearn.data.datasets import named, names
from advlearn.data.folder import split_of
from advlearn.data.frames import from_frame, is_frame
from advlearn.data.image_folders import from_folder
from advlearn.data.items import Keys
from advlearn.data.loaders import from_iterable, from_loader
from advlearn.data.options import ReadOptions
from advlearn.data.pixels import Alpha
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.toy import Toy
from advlearn.data.user_data import from_dataset, from_tensors
from advlearn.data.value_range import ValueRange

Source = ArrayDataset | StreamedDataset


@checked
def load(
    data: Any,
    labels: Any = None,
    *,
    layout: str | None = None,
    value_range: ValueRange | None = None,
    alpha: Alpha | None = None,
    size: int | Sequence[int] | None = None,
    keys: Keys | None = None,
    balanced: bool = False,
    mirror: bool = False,
) -> Source:
    """Open one data set given in any form.

    Images are read as (C, H, W) in [-1, 1]. Those of 8 bits stay uint8 in memory. Values in [0, 1],
    from 0 to 255 and of 16 bits are scaled, standardised ones stay as they are, and others are
    refused. Where the shape or the range has two readings, the message names both and the argument
    that chooses. The line at the start of training, `advlearn.data.describe_source`, says what was
    read.

    A data set is held in memory if it takes at most `RESIDENT_BYTES` and draws no random numbers.
    Otherwise, and always for a DataLoader, samples are streamed. A memory-mapped array stays in its
    file. Iterable-style data sets are read once into memory.

    Args:
        data: One of
            a name (see `names()`; `"mnist"` is the training part, `"mnist-test"` the test part);
            a path to a folder of images, flat, with one sub-folder per class, or with sub-folders
            ``train`` and ``test`` or ``val``; a path to a ``.npy`` or ``.npz`` file;
            a tensor, a numpy array (memory-mapped too) or a list of arrays, (N, ...);
            a pandas DataFrame of numbers;
            a tuple (x, y) of samples and labels;
            a torch Dataset or IterableDataset, a Hugging Face `datasets.Dataset` or a WebDataset,
            with items x, (x, y) or dicts of both;
            a DataLoader of one, whose batch size, collation, workers and shuffling are kept;
            a `Toy`, an `ArrayDataset` or a `StreamedDataset`.
        labels: Integers or strings (N,), one-hot integers (N, K) or float vectors (N, d), for an
            array only; for a DataFrame also the name of a column. Labels that are not 0 to K - 1
            are mapped to class indices in their order.
        layout: Order of the axes of an array: ``"NCHW"``, ``"NHWC"``, ``"NHW"``, ``"NCL"``,
            ``"NLC"``, ``"NCDHW"`` or ``"NDHWC"``; None decides by the shape.
        value_range: Values (low, high) of images that become -1 and 1, or ``"unscaled"``; None
            decides by the values.
        alpha: ``"white"`` or ``"black"`` under transparent pixels, or ``"drop"`` to use the
            colours that they hide; None refuses transparent pixels.
        size: Side, or (height, width), to crop pictures around the centre and resize them to.
        keys: Keys of the sample and of the label (or None) in items that are dicts, and in a
            ``.npz`` file.
        balanced: Draw each class equally often.
        mirror: Mirror images left to right at random.

    Returns:
        `ArrayDataset` for data in memory, else `StreamedDataset`; pass either to `batches`.

    Raises:
        ValueError: An unknown name, empty data, a value that is not finite, labels out of range or
            of another length, an ambiguous shape or range, a damaged file, images of different
            sizes.
        TypeError: Data or labels of another type.
        FileNotFoundError: No such folder, or a data set that is missing and cannot be downloaded.

    Example:
        >>> data = load(np.zeros((5, 28, 28), dtype=np.uint8), labels=[0, 1, 2, 1, 0])
        >>> data.shape, data.classes, float(data.x[0].max())
        ((1, 28, 28), 3, -1.0)
    """
    options = ReadOptions(layout, value_range, alpha, size, keys, balanced, mirror)
    if is_frame(data):
        return from_frame(data, labels, options)
    if isinstance(data, list):
        data = _stacked(data)
    if isinstance(data, (Tensor, np.ndarray)):
        return from_tensors(data, labels, _kind_name(data), options)
    if labels is not None:
        raise ValueError(
            f"labels: expected none except with a tensor, an array or a DataFrame, got labels with "
            f"data of type {describe_value(data)}; pass (x, y) or data that has labels"
        )
    if isinstance(data, str):
        check_text("data", data)
    return _open(data, options)


def _open(data: Any, options: ReadOptions) -> Source:
    """Open data that brings its own labels."""
    match data:
        case ArrayDataset() | StreamedDataset():
            return options.apply(data)
        case Toy():
            return options.apply(data.data)
        case str() if data in names() or not _looks_like_path(data):
            return options.apply(named(data))
        case str() | Path():
            return _from_path(user_path(data), options)
        case (x, y) if isinstance(data, tuple):
            if is_frame(x):
                return from_frame(x, y, options)
            x = _stacked(x) if isinstance(x, list) else x
            return from_tensors(x, y, _kind_name(x), options)
        case DataLoader():
            return from_loader(data, options)
        case IterableDataset():
            return from_iterable(data, type(data).__name__, options)
        case Mapping() if "train" in data:
            return _with_test(
                _open(data["train"], options),
                next((data[k] for k in ("test", "validation", "val") if k in data), None),
                options,
            )
        case Dataset():
            return from_dataset(data, None, options)
        case _ if _is_hugging_face(data):
            if not hasattr(data, "__len__"):
                return from_iterable(data, type(data).__name__, options)
            return from_dataset(data, None, options)
        case _:
            raise TypeError(
                "data: expected a name, folder, tensor, array, (x, y), Dataset or loader, "
                f"got {describe_value(data)}"
            )


def _from_path(path: Path, options: ReadOptions) -> Source:
    if path.suffix in ARRAY_SUFFIXES and path.is_file():
        x, y = read_array_file(path, options.keys)
        data = from_tensors(x, y, path.stem, options)
        return data
    split = split_of(path)
    if split is None:
        return from_folder(path, options)
    train, test = split
    data = replace(from_folder(train, options), name=path.resolve().name)
    held_out = "" if test is None else f", {test.name}/ is held out"
    data = replace(data, notes=(*data.notes, f"{train.name}/ of a split{held_out}"))
    if test is None or not isinstance(data, ArrayDataset):
        return data
    classes = list(data.class_names) or None
    quiet = replace(options, balanced=False, mirror=False)
    return replace(data, test_part=partial(from_folder, test, quiet, classes))


def _with_test(data: Source, test: Any, options: ReadOptions) -> Source:
    """Add the held-out part of a dict of splits."""
    if test is None or not isinstance(data, ArrayDataset):
        return data
    quiet = replace(options, balanced=False, mirror=False)
    return replace(data, test_part=partial(_open, test, quiet))


def _stacked(data: list[Any]) -> Any:
    """Return a list of samples as one array.

    Raises:
        TypeError: An empty list, or samples that are not arrays of numbers.
        ValueError: Samples of different shapes.
    """
    arrays = [np.asarray(x.detach().cpu() if isinstance(x, Tensor) else x) for x in data]
    if not arrays or any(array.dtype.kind not in "fiub" for array in arrays):
        raise TypeError(
            f"data: expected a list of arrays of numbers, got {describe_value(data)}; pass an "
            "array, or (x, y) as a tuple"
        )
    for index, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            hint = "; pass (x, y) as a tuple" if len(arrays) == 2 else ""
            raise ValueError(
                f"data: expected samples of shape {arrays[0].shape} like the first one, "
                f"got {array.shape} in sample {index}{hint}"
            )
    return np.stack(arrays)


def _is_hugging_face(data: Any) -> bool:
    return hasattr(data, "features") and hasattr(data, "column_names")


def _kind_name(data: Any) -> str:
    return "tensor" if isinstance(data, Tensor) else "array"


def _looks_like_path(text: str) -> bool:
    return any(mark in text for mark in "/\\.~") or Path(text).is_dir()
