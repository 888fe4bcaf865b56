"""A table of features with sensitive attributes beside them, and the encoding of raw rows as features."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor

from advlearn.data.array_dataset import ArrayDataset, check_samples, show


@final
@dataclass(frozen=True, eq=False)
class TabularDataset:
    """Encoded rows, their labels and their sensitive attributes.

    Args:
        x: Features, float32 (N, d).
        y: Class of each row, int64 (N,), or without classes a number, float32 (N,).
        sensitive: Attribute to its value in each row: codes, int64 (N,), or numbers, float32 (N,).
        sensitive_names: Attribute to the names of its codes; an attribute of numbers has none.
        feature_names: Names of the d features; `column=category` for an indicator.
        name: What the data is called in logs and file names.
        classes: Number of classes; 0 where y is a number.

    Raises:
        TypeError: As `ArrayDataset`; an attribute that is neither int64 nor float32.
        ValueError: As `ArrayDataset`; names that do not fit the features, or an attribute of
            another length, with a code that is negative or has no name, or with a number that is
            not finite.

    Example:
        >>> x, y = torch.zeros(3, 1), torch.tensor([0, 1, 1])
        >>> table = TabularDataset(
        ...     x, y, {"sex": torch.tensor([0, 0, 1])}, {"sex": ("Female", "Male")}, ("age",)
        ... )
        >>> len(table), table.groups("sex").tolist()
        (3, ['Female', 'Female', 'Male'])
    """

    x: Tensor
    y: Tensor
    sensitive: Mapping[str, Tensor] = field(default_factory=dict)
    sensitive_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    feature_names: tuple[str, ...] = ()
    name: str = "table"
    classes: int = 2

    def __post_init__(self) -> None:
        check_samples(self.x, self.feature_names)
        given, wanted = len(self.feature_names), self.x.shape[1]
        if given not in (0, wanted):
            raise ValueError(f"feature_names: expected {wanted} names, one a feature, got {given}")
        if self.classes:
            self.source()
        elif (
            self.y.dtype != torch.float32
            or self.y.shape != (len(ArrayDataset(self.x)),)
            or not self.y.isfinite().all()
        ):
            raise ValueError(
                f"y: expected finite float32 numbers ({len(self.x)},) without classes, got {show(self.y)}"
            )
        for attribute, values in self.sensitive.items():
            _check_attribute(
                f"sensitive[{attribute!r}]",
                values,
                len(self.x),
                self.sensitive_names.get(attribute),
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one row."""
        return tuple(self.x.shape[1:])

    @property
    def columns(self) -> tuple[Tensor, ...]:
        """What a batch holds a part of: (x, y, and each sensitive attribute in turn)."""
        return (self.x, self.y, *self.sensitive.values())

    @property
    def attributes(self) -> dict[str, int]:
        """Attribute to its number of groups; 0 for numbers."""
        return {
            name: 0
            if values.is_floating_point()
            else max(int(values.max()) + 1, len(self.sensitive_names.get(name, ())))
            for name, values in self.sensitive.items()
        }

    def source(self) -> ArrayDataset:
        """Return features and labels alone, as tasks take them."""
        return ArrayDataset(self.x, self.y, self.name, self.classes)

    def numpy(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Return X, y and the sensitive attributes as arrays, as scikit-learn takes them."""
        return (
            self.x.numpy(),
            self.y.numpy(),
            {key: values.numpy() for key, values in self.sensitive.items()},
        )

    def groups(self, attribute: str) -> np.ndarray:
        """Return the name of each row's category (N,), for a report by group; numbers as they are."""
        if attribute not in self.sensitive:
            raise ValueError(
                f"sensitive: no attribute {attribute!r} (there are {', '.join(self.sensitive)})"
            )
        values = self.sensitive[attribute].numpy()
        names = self.sensitive_names.get(attribute)
        return values if names is None else np.array(names)[values]


def _check_attribute(what: str, values: Tensor, samples: int, names: Sequence[str] | None) -> None:
    if not isinstance(values, Tensor) or values.dtype not in (torch.int64, torch.float32):
        raise TypeError(
            f"{what}: expected int64 codes or float32 numbers ({samples},), got {show(values)}"
        )
    if values.shape != (samples,):
        raise ValueError(f"{what}: expected shape ({samples},), got {show(values)}")
    if values.is_floating_point():
        odd = (~values.isfinite()).nonzero()
        if len(odd):
            raise ValueError(
                f"{what}: expected finite numbers, got {float(values[odd[0]])} in sample {int(odd[0])}"
            )
        return
    low, high = (int(value) for value in values.aminmax())
    if low < 0 or (names is not None and high >= len(names)):
        wanted = (
            "codes of 0 or more"
            if names is None
            else f"codes in [0, {len(names)}), one for each name"
        )
        raise ValueError(f"{what}: expected {wanted}, got {low if low < 0 else high}")


Rows = Sequence[Sequence[str]]


def encode(
    train: Rows,
    rows: Rows,
    names: Sequence[str],
    numeric: Collection[str],
    omit: Collection[str] = (),
) -> tuple[Tensor, tuple[str, ...]]:
    """Encode raw rows: numbers standardised, categories as indicators; both as the training rows have them.

    A number becomes (v - mean) / std of the training rows; a category one indicator for each
    category that the training rows have, in alphabetical order, and so none is 1 for a category
    that only other rows have.

    Args:
        train: Training rows, k strings each.
        rows: Rows to encode.
        names: Names of the k columns.
        numeric: Those that hold numbers.
        omit: Those to leave out.

    Returns:
        Features, float32 (N, d), and their names.
    """
    parts: list[np.ndarray] = []
    feature_names: list[str] = []
    for index, name in enumerate(names):
        if name in omit:
            continue
        if name in numeric:
            seen, asked = (np.array([float(row[index]) for row in part]) for part in (train, rows))
            spread = seen.std()
            parts.append(((asked - seen.mean()) / (spread if spread > 0 else 1.0))[:, None])
            feature_names.append(name)
        else:
            categories = sorted({row[index] for row in train})
            asked = np.array([row[index] for row in rows])
            parts.append(asked[:, None] == np.array(categories)[None])
            feature_names.extend(f"{name}={category}" for category in categories)
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32)), tuple(feature_names)
