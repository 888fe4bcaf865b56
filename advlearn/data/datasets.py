"""Data sets known by name, and the facts about each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType
from typing import final

from advlearn.core.naming import suggestion
from advlearn.data import toy
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.image_sets import (
    Split,
    read_cifar10,
    read_digits,
    read_mnist,
    read_mnist_m,
    read_usps,
)
from advlearn.data.made import biased_table, large_digits, rotated_digits
from advlearn.data.names import GRAMMARS, form_of
from advlearn.data.tables import adult, german_credit
from advlearn.data.tabular_dataset import TabularDataset


@final
@dataclass(frozen=True)
class DatasetInfo:
    """State the facts about a named data set.

    Args:
        name: Name that `load` takes.
        summary: One line on the data.
        shape: Shape of one sample.
        classes: Number of classes.
        origin: Where the data comes from, and whether it is downloaded.
        licence: Licence of the data; None where its publisher states none.
        read: Function that reads the data.
        folder: Folder of its files below a data folder; None for data that needs no files.
    """

    name: str
    summary: str
    shape: tuple[int, ...]
    classes: int
    origin: str
    licence: str | None
    read: Callable[[], ArrayDataset] = field(repr=False)
    folder: str | None = None


def named(name: str) -> ArrayDataset:
    """Load a data set by its name; `"mnist"` is the training part, `"mnist-test"` the test part.

    Files are searched for in the folder of the environment variable `ADVLEARN_DATA` (in a checkout
    where it is not set: the folder `../shared/data`), then in the user's cache. Missing files are
    downloaded into the cache, images by torchvision and tables from the UCI repository. `digits`
    ships with scikit-learn, `mnist-m` is made from MNIST by `mnist_m`, and the toy distributions
    are drawn at random. Tables come without their sensitive attributes, which `table` keeps.

    Args:
        name: One of `names()`.

    Returns:
        The data: images scaled to [-1, 1], numbers of a table standardised.

    Raises:
        ValueError: No data set has this name.
        FileNotFoundError: The files are missing and cannot be downloaded.

    Example:
        >>> len(named("digits")), named("digits").shape
        (1797, (1, 8, 8))

    Deviations: `cifar10` read from `ADVLEARN_DATA` is re-encoded as JPEG (slightly lossy) and in
    another order.
    """
    infos = catalogue()
    if name not in infos:
        form = form_of(name)
        if form is not None:
            raise ValueError(
                f"data: expected the name of one data set, got {name!r}, which names "
                f"{GRAMMARS[form].summary}; open it with advlearn.data.{form}"
            )
        known = ", ".join(infos)
        hint = suggestion(name, infos, otherwise="use one of these names")
        raise ValueError(f"data: expected a folder or one of {known}, got {name!r}; {hint}")
    data, test = infos[name].read(), f"{name}-test"
    return replace(data, test_part=partial(named, test)) if test in infos else data


def names() -> tuple[str, ...]:
    """Return the names of all data sets that `load` knows.

    Example:
        >>> "fashion-mnist-test" in names()
        True
    """
    return tuple(catalogue())


def catalogue() -> Mapping[str, DatasetInfo]:
    """Return the facts about each named data set, by name; nothing is read from disk.

    Example:
        >>> catalogue()["usps"].shape
        (1, 16, 16)
    """
    return _CATALOGUE


def _parts(
    name: str,
    summary: str,
    shape: tuple[int, ...],
    classes: int,
    origin: str,
    licence: str | None,
    read: Callable[[str, Split], ArrayDataset],
    folder: str,
) -> list[DatasetInfo]:
    """Return the rows of a training part and of a test part."""
    facts = (shape, classes, origin, licence)
    test = f"{name}-test"
    return [
        DatasetInfo(
            name, f"{summary}, training part", *facts, partial(read, name, "train"), folder
        ),
        DatasetInfo(test, f"{summary}, test part", *facts, partial(read, test, "test"), folder),
    ]


def _without_attributes(
    read: Callable[[Split], TabularDataset], name: str, split: Split
) -> ArrayDataset:
    return replace(read(split).features_and_labels(), name=name)


_DOWNLOADED = "downloaded by torchvision"
_DRAWN = "drawn at random by advlearn"
_MADE = "made by advlearn from the digits that ship with scikit-learn"
_UCI = "downloaded from the UCI Machine Learning Repository"
_ROWS: list[DatasetInfo] = [
    DatasetInfo(
        "digits",
        "handwritten digits, 8 x 8",
        (1, 8, 8),
        10,
        "ships with scikit-learn; UCI Optical Recognition of Handwritten Digits",
        "CC BY 4.0",
        read_digits,
    ),
    DatasetInfo(
        "digits-32",
        "the digits of scikit-learn, enlarged to 32 x 32",
        (1, 32, 32),
        10,
        _MADE,
        "CC BY 4.0",
        lambda: large_digits(read_digits()),
    ),
    DatasetInfo(
        "rotated-digits",
        "the digits of scikit-learn, rotated by 30 degrees",
        (1, 8, 8),
        10,
        _MADE,
        "CC BY 4.0",
        lambda: rotated_digits(read_digits()),
    ),
    DatasetInfo(
        "biased-groups",
        "a synthetic table whose labels depend on one of two groups",
        (4,),
        2,
        _DRAWN,
        None,
        lambda: biased_table("group").features_and_labels(),
    ),
    DatasetInfo(
        "biased-ages",
        "a synthetic table whose labels depend on an age",
        (4,),
        2,
        _DRAWN,
        None,
        lambda: biased_table("age").features_and_labels(),
    ),
    *_parts(
        "mnist",
        "handwritten digits, 28 x 28",
        (1, 28, 28),
        10,
        f"{_DOWNLOADED}; LeCun et al. 1998",
        "CC BY-SA 3.0",
        partial(read_mnist, dataset="MNIST"),
        "MNIST",
    ),
    *_parts(
        "mnist-m",
        "MNIST digits on crops of colour photographs",
        (3, 28, 28),
        10,
        "made from MNIST and photographs that ship with scikit-image; Ganin et al. 2016",
        None,
        read_mnist_m,
        "MNIST",
    ),
    *_parts(
        "fashion-mnist",
        "grey images of clothes, 28 x 28",
        (1, 28, 28),
        10,
        f"{_DOWNLOADED}; Xiao et al. 2017",
        "MIT",
        partial(read_mnist, dataset="FashionMNIST"),
        "FashionMNIST",
    ),
    *_parts(
        "cifar10",
        "colour photographs of animals and vehicles, 32 x 32",
        (3, 32, 32),
        10,
        f"{_DOWNLOADED}; Krizhevsky 2009",
        None,
        read_cifar10,
        "cifar10",
    ),
    *_parts(
        "usps",
        "handwritten digits of US envelopes, 16 x 16",
        (1, 16, 16),
        10,
        f"{_DOWNLOADED}; Hull 1994",
        None,
        read_usps,
        "usps",
    ),
    *_parts(
        "adult",
        "census rows, income above 50,000 dollars or not",
        (107,),
        2,
        f"{_UCI}; Kohavi 1996",
        "CC BY 4.0",
        partial(_without_attributes, adult),
        "adult",
    ),
    *_parts(
        "german-credit",
        "loan applicants, good or bad credit risk",
        (61,),
        2,
        f"{_UCI}; Hofmann 1994",
        "CC BY 4.0",
        partial(_without_attributes, german_credit),
        "german-credit",
    ),
    DatasetInfo("ring", "8 Gaussians on a circle", (2,), 8, _DRAWN, None, lambda: toy.ring().data),
    DatasetInfo(
        "grid", "25 Gaussians on a square grid", (2,), 25, _DRAWN, None, lambda: toy.grid().data
    ),
    DatasetInfo("moons", "two interleaved half circles", (2,), 2, _DRAWN, None, toy.moons),
]
_CATALOGUE: Mapping[str, DatasetInfo] = MappingProxyType({row.name: row for row in _ROWS})
