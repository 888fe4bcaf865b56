"""Readers of the image data sets that are known by name."""

import gzip
import io
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from advlearn.core.files import RefusedFileError
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.files import cache_folder, find, unavailable
from advlearn.data.mnist_m import mnist_m
from advlearn.data.npz import read_npz
from advlearn.data.to_tensor import labels, pixels

Split = Literal["train", "test"]


def _download(name: str, dataset: str, train: bool) -> Any:
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        from advlearn._optional_imports import torchvision

        return getattr(torchvision().datasets, dataset)(str(cache), train=train, download=True)
    except Exception as error:
        raise unavailable(name, error) from error


def read_digits() -> ArrayDataset:
    """Read the digits of scikit-learn."""
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    # Grey levels are 0 to 16, so 8 is the middle.
    images = (bunch.images / 8.0 - 1.0)[:, None]
    images = torch.from_numpy(images).float()
    return ArrayDataset(images, labels(bunch.target), "digits", classes=10)


def read_mnist(name: str, split: Split, dataset: str) -> ArrayDataset:
    """Read MNIST or a set published in its format."""
    stem = "train" if split == "train" else "t10k"
    files = (f"{stem}-images-idx3-ubyte", f"{stem}-labels-idx1-ubyte")
    paths = [find(dataset, "raw", file) or find(dataset, "raw", file + ".gz") for file in files]
    if None in paths:
        _download(name, dataset, split == "train")
        paths = [find(dataset, "raw", file) for file in files]
    images, classes = (_read_idx(path) for path in paths if path is not None)
    return ArrayDataset(pixels(images), labels(classes), name, classes=10)


def _read_idx(path: Path) -> np.ndarray:
    """Read an idx file of bytes: two zeros, the type 8, the number of axes, their lengths."""
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, gzip.BadGzipFile, zlib.error):
        content = b""  # refused below
    axes = content[3] if len(content) > 3 else 0
    start = 4 + 4 * axes
    complete = len(content) >= start
    shape = np.frombuffer(content, ">u4", count=axes, offset=4) if complete else np.zeros(1)
    if content[:3] != b"\0\0\x08" or len(content) != start + int(shape.prod()):
        raise ValueError(
            f"data: expected an idx file of bytes, got another or a damaged file {path.name!r}; "
            "delete it to download it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(tuple(map(int, shape)))


def read_mnist_m(name: str, split: Split) -> ArrayDataset:
    """Make MNIST-M from MNIST."""
    return replace(mnist_m(read_mnist("mnist", split, "MNIST"), split), name=name)


def read_cifar10(name: str, split: Split) -> ArrayDataset:
    """Read CIFAR-10."""
    path = find("cifar10", "cifar10-jpeg.npz")
    if path is None:
        raw = _download(name, "CIFAR10", split == "train")
        return ArrayDataset(pixels(raw.data), labels(raw.targets), name, classes=10)
    from PIL import Image

    file = _read_arrays(path, "jpeg", "offsets", "labels", "is_test")
    jpeg, offsets, classes = file["jpeg"], file["offsets"], file["labels"]
    # The file is sorted by class. Shuffled, the first images show all classes in plots.
    rows = np.flatnonzero(file["is_test"] == (split == "test"))
    chosen = np.random.default_rng(0).permutation(rows)
    images = np.empty((len(chosen), 32, 32, 3), np.uint8)
    for row, index in enumerate(chosen):
        encoded = jpeg[offsets[index] : offsets[index + 1]].tobytes()
        images[row] = np.asarray(Image.open(io.BytesIO(encoded)))
    return ArrayDataset(pixels(images), labels(classes[chosen]), name, classes=10)


def read_usps(name: str, split: Split) -> ArrayDataset:
    """Read USPS."""
    path = find("usps", "usps.npz")
    if path is None:
        raw = _download(name, "USPS", split == "train")
        return ArrayDataset(pixels(raw.data), labels(raw.targets), name, classes=10)
    file = _read_arrays(path, f"{split}_images", f"{split}_labels")
    images, classes = pixels(file[f"{split}_images"]), labels(file[f"{split}_labels"])
    return ArrayDataset(images, classes, name, classes=10)


def _read_arrays(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Read the arrays of an npz file of a data folder."""
    try:
        arrays = read_npz(path)
        missing = ", ".join(name for name in names if name not in arrays)
        if missing:
            raise RefusedFileError(f"it has no {missing}")
    except RefusedFileError as error:
        raise RefusedFileError(
            f"data: expected the published file, got {path}, which is refused: {error}; copy it "
            "again"
        ) from None
    return arrays
