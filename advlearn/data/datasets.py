"""Data sets that are known by name."""

import difflib
import gzip
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from advlearn.data import toy
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.files import cache_folder, find, not_to_be_had
from advlearn.data.made import biased_table, large_digits, rotated_digits
from advlearn.data.mnist_m import mnist_m
from advlearn.data.tables import adult, german_credit
from advlearn.data.to_tensor import labels, samples


def named(name: str) -> ArrayDataset:
    """Load a data set by its name; `"mnist"` is the training part, `"mnist-test"` the test part.

    The files are looked for in the folder that the environment variable `ADVLEARN_DATA` names (in a
    checkout that leaves it unset: the folder `../shared/data`), then in the user's cache; last they
    are downloaded into the cache by torchvision, the tables from the UCI repository. `digits` ships
    with scikit-learn; `mnist-m` is made of MNIST by `mnist_m`; the toy distributions are drawn.
    Tables are features and labels alone here: their sensitive attributes come with `adult` and
    `german_credit`.

    Args:
        name: One of `names()`.

    Returns:
        The data, images scaled to [-1, 1], numbers of a table standardised.

    Raises:
        ValueError: No data set has this name.
        FileNotFoundError: The files are neither at hand nor to be had.

    Example:
        >>> len(named("digits")), named("digits").shape
        (1797, (1, 8, 8))

    Deviations: `cifar10` read from `ADVLEARN_DATA` is re-encoded as JPEG (slightly lossy), in an
    order of its own.
    """
    if name not in _LOADERS:
        near = difflib.get_close_matches(name, _LOADERS, n=3)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise ValueError(
            f"data: no data set or folder {name!r}{hint} (there are {', '.join(_LOADERS)})"
        )
    return _LOADERS[name]()


def names() -> tuple[str, ...]:
    """Return the names of all data sets that `load` knows.

    Example:
        >>> "fashion-mnist-test" in names()
        True
    """
    return tuple(_LOADERS)


def _download(name: str, dataset: str, train: bool) -> Any:
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        from advlearn._optional_imports import torchvision

        return getattr(torchvision().datasets, dataset)(str(cache), train=train, download=True)
    except Exception as error:
        raise not_to_be_had(name, error) from error


def _digits() -> ArrayDataset:
    from sklearn.datasets import load_digits

    bunch: Any = load_digits()
    # Grey levels are 0 to 16 here, so that 8 is the middle.
    images = (bunch.images / 8.0 - 1.0)[:, None]
    return ArrayDataset(samples(images), labels(bunch.target), "digits", classes=10)


def _mnist(name: str, dataset: str, train: bool) -> ArrayDataset:
    part = "train" if train else "t10k"
    files = (f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte")
    paths = [find(dataset, "raw", file) or find(dataset, "raw", file + ".gz") for file in files]
    if None in paths:
        _download(name, dataset, train)
        paths = [find(dataset, "raw", file) for file in files]
    images, classes = (_read_idx(path) for path in paths if path is not None)
    return ArrayDataset(samples(images), labels(classes), name, classes=10)


def _read_idx(path: Path) -> np.ndarray:
    """Read an idx file of bytes: two zeros, the type 8, the number of axes, then each length (big-endian)."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    axes = content[3] if len(content) > 3 else 0
    shape = (
        np.frombuffer(content, ">u4", count=axes, offset=4)
        if len(content) >= 4 + 4 * axes
        else np.zeros(1)
    )
    if content[:3] != b"\0\0\x08" or len(content) != 4 + 4 * axes + int(shape.prod()):
        raise ValueError(
            f"data: expected an idx file of bytes, got a damaged or other file {path.name!r}"
        )
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(tuple(map(int, shape)))


def _cifar10(name: str, train: bool) -> ArrayDataset:
    path = find("cifar10", "cifar10-jpeg.npz")
    if path is None:
        raw = _download(name, "CIFAR10", train)
        return ArrayDataset(samples(raw.data), labels(raw.targets), name, classes=10)
    from PIL import Image

    with np.load(path) as file:
        jpeg, offsets, classes = file["jpeg"], file["offsets"], file["labels"]
        # The copy is sorted by class: unshuffled, the first images, which pictures and figures
        # take, would be of one.
        chosen = np.random.default_rng(0).permutation(np.flatnonzero(file["is_test"] != train))
    images = np.empty((len(chosen), 32, 32, 3), np.uint8)
    for row, index in enumerate(chosen):
        images[row] = np.asarray(
            Image.open(io.BytesIO(jpeg[offsets[index] : offsets[index + 1]].tobytes()))
        )
    return ArrayDataset(samples(images), labels(classes[chosen]), name, classes=10)


def _usps(name: str, train: bool) -> ArrayDataset:
    path = find("usps", "usps.npz")
    if path is None:
        raw = _download(name, "USPS", train)
        return ArrayDataset(samples(raw.data), labels(raw.targets), name, classes=10)
    part = "train" if train else "test"
    with np.load(path) as file:
        return ArrayDataset(
            samples(file[f"{part}_images"]), labels(file[f"{part}_labels"]), name, classes=10
        )


_LOADERS: Mapping[str, Callable[[], ArrayDataset]] = MappingProxyType(
    {
        "digits": _digits,
        "digits-32": lambda: large_digits(_digits()),
        "rotated-digits": lambda: rotated_digits(_digits()),
        "biased-groups": lambda: biased_table("group").source(),
        "biased-ages": lambda: biased_table("age").source(),
        "mnist": lambda: _mnist("mnist", "MNIST", True),
        "mnist-test": lambda: _mnist("mnist-test", "MNIST", False),
        "mnist-m": lambda: mnist_m(_mnist("mnist", "MNIST", True)),
        "mnist-m-test": lambda: mnist_m(_mnist("mnist-test", "MNIST", False), "test"),
        "fashion-mnist": lambda: _mnist("fashion-mnist", "FashionMNIST", True),
        "fashion-mnist-test": lambda: _mnist("fashion-mnist-test", "FashionMNIST", False),
        "cifar10": lambda: _cifar10("cifar10", True),
        "cifar10-test": lambda: _cifar10("cifar10-test", False),
        "usps": lambda: _usps("usps", True),
        "usps-test": lambda: _usps("usps-test", False),
        "adult": lambda: adult().source(),
        "adult-test": lambda: adult("test").source(),
        "german-credit": lambda: german_credit().source(),
        "german-credit-test": lambda: german_credit("test").source(),
        "ring": lambda: toy.ring().source,
        "grid": lambda: toy.grid().source,
        "moons": lambda: toy.moons(),
    }
)
