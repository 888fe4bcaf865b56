"""Two tables for fairness: UCI Adult and UCI German credit."""

from collections.abc import Collection, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Protocol

import numpy as np
import torch

from advlearn.core.arguments import Seed, checked
from advlearn.core.checks import check_choice
from advlearn.data.files import find_or_download
from advlearn.data.tabular_dataset import Rows, TabularDataset, encode

Split = Literal["train", "test"]

_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"

_ADULT_FILES = {
    "train": ("adult.data", "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d"),
    "test": ("adult.test", "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05"),
}
_ADULT_NUMERIC = ("age", "education-num", "capital-gain", "capital-loss", "hours-per-week")
_ADULT_COLUMNS = (
    *(
        "age",
        "workclass",
        "fnlwgt",
        "education",
        "education-num",
        "marital-status",
        "occupation",
        "relationship",
    ),
    *("race", "sex", "capital-gain", "capital-loss", "hours-per-week", "native-country"),
)

_GERMAN_FILE = ("german.data", "b21f3d81db8071257d5ff1deaeba1fd4303b62712e6fcc9715c7a86202cb5871")
_GERMAN_NUMERIC = (
    "duration",
    "amount",
    "instalment-rate",
    "residence",
    "age",
    "credits",
    "dependants",
)
_GERMAN_COLUMNS = (
    *(
        "account",
        "duration",
        "history",
        "purpose",
        "amount",
        "savings",
        "employment",
        "instalment-rate",
    ),
    *(
        "personal-status-and-sex",
        "other-debtors",
        "residence",
        "property",
        "age",
        "other-instalments",
        "housing",
    ),
    *("credits", "job", "dependants", "telephone", "foreign-worker"),
)
_GERMAN_WOMEN = ("A92", "A95")
_GERMAN_TEST_SHARE = 0.3


@checked
def adult(part: Split = "train", *, omit: Collection[str] = ()) -> TabularDataset:
    """Load UCI Adult: whether a person earns more than 50,000 dollars a year (class 1) or not.

    The data is the 1994 census in its standard split of 32,561 and 16,281 rows. Five numbers are
    standardised by the training part. Eight categories become indicators, and `?` (missing) is a
    separate category: 107 features. `fnlwgt`, the weight of a row in the census sample, is left
    out because it is not a property of the person.

    Sensitive attributes: `sex` (Female, Male), `race` (five) and `age` in years.

    Args:
        part: `"train"` or `"test"`.
        omit: Columns left out of the features, such as `["sex"]`; they stay among the sensitive
            attributes. Without the column `sex`, `relationship` (husband, wife) still predicts it
            almost always.

    Returns:
        The table.

    Raises:
        ValueError: An unknown part or column, or a damaged file.
        FileNotFoundError: The files are missing from the folder `adult` of the data folders (see
            `load`) and cannot be downloaded from the UCI repository.

    Reference: Kohavi, "Scaling Up the Accuracy of Naive-Bayes Classifiers: a Decision-Tree Hybrid",
    KDD 1996.
    """
    _check(part, omit, _ADULT_COLUMNS)
    train = _read_adult("train")
    rows = train if part == "train" else _read_adult(part)
    x, features = encode(train, rows, _ADULT_COLUMNS, _ADULT_NUMERIC, {"fnlwgt", *omit})
    names = {
        key: tuple(sorted({row[_ADULT_COLUMNS.index(key)] for row in train}))
        for key in ("sex", "race")
    }
    sensitive = {
        key: _codes(rows, _ADULT_COLUMNS.index(key), values) for key, values in names.items()
    }
    sensitive["age"] = torch.tensor([float(row[0]) for row in rows])
    y = torch.tensor([row[-1] == ">50K" for row in rows], dtype=torch.int64)
    if part == "test":
        return TabularDataset(x, y, sensitive, names, features, "adult-test")
    test = partial(adult, "test", omit=omit)
    return TabularDataset(x, y, sensitive, names, features, "adult", test_part=test)


@checked
def german_credit(
    part: Split = "train", *, seed: Seed = 0, omit: Collection[str] = ()
) -> TabularDataset:
    """Load UCI German credit: whether a person is a good credit risk (class 1) or a bad one.

    Class 1 has 700 of the 1,000 rows. There is no standard split: 30 % of each class, drawn with
    `seed`, are the test part. Seven numbers are standardised by the training part. Thirteen
    categories, in UCI's codes, become indicators.

    Sensitive attributes: `sex` (Female, Male), from the column `personal-status-and-sex`, where A92
    and A95 are women and A91, A93 and A94 men; `age` in years; `age-group` (25 or younger, older),
    the usual threshold for this data. Groemping shows that the published code table is wrong and
    that A92 also holds single men: results by sex on this data are a benchmark, not a finding about
    people.

    Args:
        part: `"train"` or `"test"`.
        seed: Seed of the split.
        omit: Columns left out of the features, such as `["age"]`; they stay among the sensitive
            attributes. `"sex"` leaves out the column that holds it, `"age-group"` the age.

    Returns:
        The table.

    Raises:
        ValueError: An unknown part or column, or a damaged file.
        FileNotFoundError: The file is missing from the folder `german-credit` of the data folders
            (see `load`) and cannot be downloaded from the UCI repository.

    Reference: Hofmann, "Statlog (German Credit Data)", UCI Machine Learning Repository, 1994;
    Groemping, "South German Credit Data: Correcting a Widely Used Data Set", 2019; Kamiran and
    Calders, "Classifying without Discriminating", 2009 (the age groups).
    """
    column_of = {"sex": "personal-status-and-sex", "age-group": "age"}
    _check(part, omit, (*_GERMAN_COLUMNS, *column_of))
    name, checksum = _GERMAN_FILE
    path = find_or_download(
        "german-credit", ("german-credit", name), f"{_UCI}/statlog/german/{name}", checksum
    )
    all_rows = _read(
        path,
        len(_GERMAN_COLUMNS) + 1,
        None,
        {"1": "1", "2": "2"},
        _positions(_GERMAN_COLUMNS, _GERMAN_NUMERIC),
    )
    test = _stratified([row[-1] for row in all_rows], seed)
    train = [row for row, tested in zip(all_rows, test, strict=True) if not tested]
    rows = (
        train
        if part == "train"
        else [row for row, tested in zip(all_rows, test, strict=True) if tested]
    )
    x, features = encode(
        train, rows, _GERMAN_COLUMNS, _GERMAN_NUMERIC, {column_of.get(name, name) for name in omit}
    )
    status, age = _GERMAN_COLUMNS.index(column_of["sex"]), _GERMAN_COLUMNS.index("age")
    years = torch.tensor([float(row[age]) for row in rows])
    men = torch.tensor([row[status] not in _GERMAN_WOMEN for row in rows])
    sensitive = {"sex": men.long(), "age": years, "age-group": (years > 25).long()}
    names = {"sex": ("Female", "Male"), "age-group": ("25 or younger", "older")}
    y = torch.tensor([row[-1] == "1" for row in rows], dtype=torch.int64)
    if part == "test":
        return TabularDataset(x, y, sensitive, names, features, "german-credit-test")
    rest = partial(german_credit, "test", seed=seed, omit=omit)
    return TabularDataset(x, y, sensitive, names, features, "german-credit", test_part=rest)


class _Reader(Protocol):
    def __call__(self, part: Split = ..., /) -> TabularDataset: ...


TABLES: Mapping[str, _Reader] = MappingProxyType({"adult": adult, "german-credit": german_credit})
"""Readers of the tables that are known by name."""


def _check(part: str, omit: Collection[str], columns: tuple[str, ...]) -> None:
    check_choice("part", part, ("train", "test"))
    if isinstance(omit, str):
        raise ValueError(
            f"omit: expected a list of columns, got the string {omit!r}; write [{omit!r}]"
        )
    for column in omit:
        check_choice("omit", column, columns)


def _read_adult(part: Split) -> Rows:
    name, checksum = _ADULT_FILES[part]
    path = find_or_download("adult", ("adult", name), f"{_UCI}/adult/{name}", checksum)
    # Labels of the test file end in a full stop.
    labels = {text + stop: text for text in ("<=50K", ">50K") for stop in ("", ".")}
    return _read(
        path, len(_ADULT_COLUMNS) + 1, ",", labels, _positions(_ADULT_COLUMNS, _ADULT_NUMERIC)
    )


def _positions(columns: tuple[str, ...], chosen: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(columns.index(name) for name in chosen)


def _read(
    path: Path,
    width: int,
    separator: str | None,
    labels: Mapping[str, str],
    numeric: tuple[int, ...],
) -> Rows:
    """Read rows of a text file, the label last; lines that begin with `|` are comments."""
    rows: list[list[str]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip() or line.startswith("|"):
            continue
        row = line.split() if separator is None else line.replace(" ", "").split(separator)
        if (
            len(row) != width
            or row[-1] not in labels
            or not all(row[index].isdecimal() for index in numeric)
        ):
            last = " or ".join(dict.fromkeys(labels.values()))
            raise ValueError(
                f"data: expected {width} values, decimals in the columns of numbers and {last} "
                f"last, got {line[:60]!r} in line {number} of {path.name!r}"
            )
        rows.append([*row[:-1], labels[row[-1]]])
    if not rows:
        raise ValueError(f"data: expected rows of {width} values, got none in {path.name!r}")
    return rows


def _codes(rows: Rows, index: int, names: tuple[str, ...]) -> torch.Tensor:
    code = {name: number for number, name in enumerate(names)}
    unknown = next((row[index] for row in rows if row[index] not in code), None)
    if unknown is not None:
        raise ValueError(
            f"data: expected one of {', '.join(names)} like the training part, got {unknown!r}"
        )
    return torch.tensor([code[row[index]] for row in rows])


def _stratified(labels: list[str], seed: int) -> np.ndarray:
    """Choose the same fraction of every label for the test part: bool, one per row."""
    generator = np.random.default_rng(seed)
    values, test = np.array(labels), np.zeros(len(labels), dtype=bool)
    for label in sorted(set(labels)):
        order = generator.permutation(np.flatnonzero(values == label))
        test[order[: round(len(order) * _GERMAN_TEST_SHARE)]] = True
    return test
