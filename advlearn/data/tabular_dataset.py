"""A table of features with sensitive attributes, and the encoding of raw rows as features."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.data.array_dataset import ArrayDataset, check_samples


@checked
@final
@dataclass(frozen=True, eq=False)
class TabularDataset:
    """Hold encoded rows, their labels and their sensitive attributes.

    Args:
        x: Features, float32 (N, d).
        y: Class of each row, int64 (N,), or for regression a number, float32 (N,).
        sensitive: Values of each attribute by name: codes, int64 (N,), or numbers, float32 or
            float64 (N,), in any unit: batches hold them standardised.
        sensitive_names: Names of the codes of each attribute; a numeric attribute has no names.
        feature_names: Names of the d features; `column=category` for an indicator.
        name: Name of the data in logs and file names.
        classes: Number of classes; 0 for regression.
        test_part: Function that loads the test part; None where there is none.
        loss_weights: Weight of each row in the losses, float32 (N,); None for equal weights.
        scales: Mean and standard deviation by which batches standardise the numbers of an
            attribute; those of the rows for an attribute that is left out.

    Raises:
        TypeError: As `ArrayDataset`; an attribute that is neither codes nor numbers.
        ValueError: As `ArrayDataset`; another number of names than features; or an attribute of
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
    test_part: "Callable[[], TabularDataset] | None" = field(default=None, repr=False)
    loss_weights: Tensor | None = None
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_samples(self.x, self.feature_names)
        names, features = len(self.feature_names), self.x.shape[1]
        if names not in (0, features):
            raise ValueError(
                f"feature_names: expected {features} names, one per feature, got {names}"
            )
        if self.classes:
            self.features_and_labels()
        elif (
            self.y.dtype != torch.float32
            or self.y.shape != (len(ArrayDataset(self.x)),)
            or not self.y.isfinite().all()
        ):
            raise ValueError(
                f"y: expected finite float32 numbers ({len(self.x)},) without classes, "
                f"got {describe_value(self.y)}"
            )
        if self.loss_weights is not None:
            _check_weights(self.loss_weights, len(self.x))
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
        """Tensors that a batch takes rows of: x, y, each sensitive attribute, any weights.

        Numbers are standardised, float32, so that their unit does not matter.
        """
        attributes = (
            self._standardised(name) if values.is_floating_point() else values
            for name, values in self.sensitive.items()
        )
        return (
            self.x,
            self.y,
            *attributes,
            *(() if self.loss_weights is None else (self.loss_weights,)),
        )

    def scale(self, attribute: str) -> tuple[float, float]:
        """Return the mean and the standard deviation of an attribute of numbers."""
        if attribute in self.scales:
            return self.scales[attribute]
        values = self.sensitive[attribute].double()
        spread = float(values.std(unbiased=False))
        return float(values.mean()), spread if spread > 0 else 1.0

    @property
    def attributes(self) -> dict[str, int]:
        """Number of groups of each attribute; 0 for an attribute of numbers."""
        return {
            name: 0
            if values.is_floating_point()
            else max(int(values.max()) + 1, len(self.sensitive_names.get(name, ())))
            for name, values in self.sensitive.items()
        }

    def test(self) -> "TabularDataset | None":
        """Load the test part of the table; None where there is none."""
        return None if self.test_part is None else self.test_part()

    def features_and_labels(self) -> ArrayDataset:
        """Return the table without its sensitive attributes."""
        return ArrayDataset(self.x, self.y, self.name, self.classes)

    def numpy(self) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Return X, y and the sensitive attributes as numpy arrays."""
        return (
            self.x.numpy(),
            self.y.numpy(),
            {key: values.numpy() for key, values in self.sensitive.items()},
        )

    def _standardised(self, attribute: str) -> Tensor:
        mean, deviation = self.scale(attribute)
        return ((self.sensitive[attribute].double() - mean) / deviation).float()

    def groups(self, attribute: str) -> np.ndarray:
        """Return the name of each row's group.

        Args:
            attribute: Name of a sensitive attribute.

        Returns:
            Names (N,), or the values of an attribute of numbers.

        Raises:
            ValueError: There is no such attribute.
        """
        if attribute not in self.sensitive:
            raise ValueError(
                f"sensitive: expected one of {', '.join(self.sensitive)}, got {attribute!r}"
            )
        values = self.sensitive[attribute].numpy()
        names = self.sensitive_names.get(attribute)
        return values if names is None else np.array(names)[values]


def _check_attribute(
    argument: str, values: Tensor, samples: int, names: Sequence[str] | None
) -> None:
    if not isinstance(values, Tensor) or values.dtype not in (
        torch.int64,
        torch.float32,
        torch.float64,
    ):
        raise TypeError(
            f"{argument}: expected int64 codes or float32 numbers ({samples},), "
            f"got {describe_value(values)}"
        )
    if values.shape != (samples,):
        raise ValueError(f"{argument}: expected shape ({samples},), got {describe_value(values)}")
    if values.is_floating_point():
        infinite = (~values.isfinite()).nonzero()
        if len(infinite):
            raise ValueError(
                f"{argument}: expected finite numbers, got {float(values[infinite[0]])} "
                f"in sample {int(infinite[0])}"
            )
        return
    low, high = (int(value) for value in values.aminmax())
    if low < 0 or (names is not None and high >= len(names)):
        codes = (
            "codes of 0 or more"
            if names is None
            else f"codes in [0, {len(names)}), one for each name"
        )
        raise ValueError(f"{argument}: expected {codes}, got {low if low < 0 else high}")


def _check_weights(weights: Tensor, samples: int) -> None:
    if (
        weights.dtype != torch.float32
        or weights.shape != (samples,)
        or not weights.isfinite().all()
        or bool((weights < 0).any())
        or not bool((weights > 0).any())
    ):
        raise ValueError(
            f"loss_weights: expected finite float32 numbers ({samples},) of at least 0, not all 0, "
            f"got {describe_value(weights)}"
        )


Rows = Sequence[Sequence[str]]


def encode(
    train: Rows,
    rows: Rows,
    names: Sequence[str],
    numeric: Collection[str],
    omit: Collection[str] = (),
) -> tuple[Tensor, tuple[str, ...]]:
    """Standardise the numbers of raw rows and turn their categories into indicators.

    A number v becomes (v - mean) / std of the training rows. A category becomes one indicator for
    each category of the training rows, in alphabetical order; all are 0 for a category that occurs
    in other rows only.

    Args:
        train: Training rows, k strings each.
        rows: Rows to encode.
        names: Names of the k columns.
        numeric: Names of the columns that hold numbers.
        omit: Names of the columns to leave out.

    Returns:
        Features, float32 (N, d), and their names.
    """
    parts: list[np.ndarray] = []
    feature_names: list[str] = []
    for index, name in enumerate(names):
        if name in omit:
            continue
        if name in numeric:
            of_train, values = (
                np.array([float(row[index]) for row in part]) for part in (train, rows)
            )
            spread = of_train.std()
            parts.append(((values - of_train.mean()) / (spread if spread > 0 else 1.0))[:, None])
            feature_names.append(name)
        else:
            categories = sorted({row[index] for row in train})
            values = np.array([row[index] for row in rows])
            parts.append(values[:, None] == np.array(categories)[None])
            feature_names.extend(f"{name}={category}" for category in categories)
    return torch.from_numpy(np.concatenate(parts, axis=1).astype(np.float32)), tuple(feature_names)
