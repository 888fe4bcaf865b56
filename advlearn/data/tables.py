"""The two tables that fairness is measured on: UCI Adult and UCI German credit."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from advlearn.core.checks import check_choice
from advlearn.data.files import find_or_download
from advlearn.data.tabular_dataset import Rows, TabularDataset, encode

Part = Literal["train", "test"]

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


def adult(part: Part = "train", *, omit: Collection[str] = ()) -> TabularDataset:
    """UCI Adult: does a person earn more than 50,000 dollars a year (1994 census)? Class 1 does.

    The standard split, 32,561 and 16,281 rows. Five numbers are standardised by the training part;
    eight categories become indicators, with `?` (missing) as a category of its own: 107 features.
    `fnlwgt`, the weight of a row in the census sample and no property of the person, is left out.

    Sensitive attributes: `sex` (Female, Male), `race` (five) and `age` in years.

    Args:
        part: `"train"` or `"test"`.
        omit: Columns left out of the features, such as `["sex"]`; they stay among the sensitive
            attributes. Without its own column sex is still nearly told by `relationship` (husband,
            wife).

    Returns:
        The table.

    Raises:
        ValueError: No such part or column, or a damaged file.
        FileNotFoundError: The files are neither at hand nor to be had; they are looked for as by
            `named`, in the folder `adult`, and then downloaded from the UCI repository.

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
    return TabularDataset(
        x, y, sensitive, names, features, "adult" if part == "train" else "adult-test"
    )


def german_credit(
    part: Part = "train", *, seed: int = 0, omit: Collection[str] = ()
) -> TabularDataset:
    """UCI German credit: is a person a good credit risk? Class 1 is (700 of 1,000), class 0 is a bad one.

    There is no standard split: 30 % of each class, drawn with `seed`, are the test part. Seven
    numbers are standardised by the training part; thirteen categories, in UCI's codes, become
    indicators.

    Sensitive attributes: `sex` (Female, Male), from the column `personal-status-and-sex`, where A92
    and A95 are women and A91, A93 and A94 men; `age` in years; `age-group` (25 or younger, older),
    as is usual for this data. Groemping shows that the published code table is wrong and that A92
    holds single men as well: take results by sex on this data for a benchmark, not for a finding
    about people.

    Args:
        part: `"train"` or `"test"`.
        seed: Seed of the split.
        omit: Columns left out of the features, such as `["age"]`; they stay among the sensitive
            attributes. `"sex"` leaves out the column that holds it, `"age-group"` the age.

    Returns:
        The table.

    Raises:
        ValueError: No such part or column, or a damaged file.
        FileNotFoundError: The file is neither at hand nor to be had; it is looked for as by
            `named`, in the folder `german-credit`, and then downloaded from the UCI repository.

    Reference: Hofmann, "Statlog (German Credit Data)", UCI Machine Learning Repository, 1994;
    Groemping, "South German Credit Data: Correcting a Widely Used Data Set", 2019; Kamiran and
    Calders, "Classifying without Discriminating", 2009 (the age groups).
    """
    held = {"sex": "personal-status-and-sex", "age-group": "age"}
    _check(part, omit, (*_GERMAN_COLUMNS, *held))
    name, checksum = _GERMAN_FILE
    path = find_or_download(
        "german-credit", ("german-credit", name), f"{_UCI}/statlog/german/{name}", checksum
    )
    everyone = _read(
        path,
        len(_GERMAN_COLUMNS) + 1,
        None,
        {"1": "1", "2": "2"},
        _positions(_GERMAN_COLUMNS, _GERMAN_NUMERIC),
    )
    test = _stratified([row[-1] for row in everyone], seed)
    train = [row for row, tested in zip(everyone, test, strict=True) if not tested]
    rows = (
        train
        if part == "train"
        else [row for row, tested in zip(everyone, test, strict=True) if tested]
    )
    x, features = encode(
        train, rows, _GERMAN_COLUMNS, _GERMAN_NUMERIC, {held.get(column, column) for column in omit}
    )
    status, age = _GERMAN_COLUMNS.index(held["sex"]), _GERMAN_COLUMNS.index("age")
    years = torch.tensor([float(row[age]) for row in rows])
    men = torch.tensor([row[status] not in _GERMAN_WOMEN for row in rows])
    sensitive = {"sex": men.long(), "age": years, "age-group": (years > 25).long()}
    names = {"sex": ("Female", "Male"), "age-group": ("25 or younger", "older")}
    y = torch.tensor([row[-1] == "1" for row in rows], dtype=torch.int64)
    return TabularDataset(
        x,
        y,
        sensitive,
        names,
        features,
        "german-credit" if part == "train" else "german-credit-test",
    )


def _check(part: str, omit: Collection[str], columns: tuple[str, ...]) -> None:
    check_choice("part", part, ("train", "test"))
    if isinstance(omit, str):
        raise ValueError(f"omit: expected a list of columns, got the text {omit!r}")
    for column in omit:
        check_choice("omit", column, columns)


def _read_adult(part: Part) -> Rows:
    name, checksum = _ADULT_FILES[part]
    path = find_or_download("adult", ("adult", name), f"{_UCI}/adult/{name}", checksum)
    # The test file's labels end in a full stop.
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
            expected = f"{width} values, numbers where they belong and {' or '.join(dict.fromkeys(labels.values()))} last"
            raise ValueError(
                f"data: expected {expected}, got {line[:60]!r} in line {number} of {path.name!r}"
            )
        rows.append([*row[:-1], labels[row[-1]]])
    if not rows:
        raise ValueError(f"data: expected rows of {width} values, got none in {path.name!r}")
    return rows


def _codes(rows: Rows, index: int, names: tuple[str, ...]) -> torch.Tensor:
    code = {name: number for number, name in enumerate(names)}
    odd = next((row[index] for row in rows if row[index] not in code), None)
    if odd is not None:
        raise ValueError(
            f"data: expected one of {', '.join(names)} as in the training part, got {odd!r}"
        )
    return torch.tensor([code[row[index]] for row in rows])


def _stratified(labels: list[str], seed: int) -> np.ndarray:
    """Whether each row is of the test part, the same share of every label."""
    generator = np.random.default_rng(seed)
    values, test = np.array(labels), np.zeros(len(labels), dtype=bool)
    for label in sorted(set(labels)):
        order = generator.permutation(np.flatnonzero(values == label))
        test[order[: round(len(order) * _GERMAN_TEST_SHARE)]] = True
    return test
