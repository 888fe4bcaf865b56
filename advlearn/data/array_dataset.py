"""A data set held in memory as one tensor of samples and one of labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Literal, final

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.data.to_tensor import check_finite
from advlearn.data.value_range import extremes, floats

Kind = Literal["image", "vector"]


def kind_of(shape: tuple[int, ...]) -> Kind:
    """Return `"image"` for a sample of three axes (channels, height, width), else `"vector"`."""
    return "image" if len(shape) == 3 else "vector"


@checked
@final
@dataclass(frozen=True, eq=False)
class ArrayDataset:
    """Hold samples, their labels and the name of the data.

    Images of 8 bits stay uint8 and are scaled batch by batch on the device of a batch.

    Args:
        stored: Samples (N, ...): float32, images channel-first (N, C, H, W) in [-1, 1]; or uint8
            pixels from 0 to 255, channel-first.
        y: Class of each sample, int64 (N,), in [0, classes), or a vector for each, float32 (N, d);
            None without labels.
        name: Name of the data in logs and file names.
        classes: Number of classes; 0 without labels, or with vectors.
        test_part: Function that loads the test part; None where there is none.
        class_names: Name of each class; empty where the user gave none.
        notes: How the data was read, for the line at the start of training.
        weights: Relative frequency of each sample in batches, float (N,); None draws each once an
            epoch.
        mirror: Whether batches mirror images left to right at random.
        mapped: Whether the samples lie in a memory-mapped file, which is read batch by batch.

    Raises:
        TypeError: `stored` is not a float32 or uint8 tensor, or `y` is neither int64 nor float32.
        ValueError: No samples, a value that is not finite, labels of another length or out of
            range.

    Example:
        >>> data = ArrayDataset(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]), classes=2)
        >>> len(data), data.shape, data.kind
        (4, (1, 8, 8), 'image')
    """

    stored: Tensor
    y: Tensor | None = None
    name: str = "data"
    classes: int = 0
    test_part: "Callable[[], ArrayDataset] | None" = field(default=None, repr=False)
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), repr=False)
    weights: Tensor | None = field(default=None, repr=False)
    mirror: bool = False
    mapped: bool = False

    def __post_init__(self) -> None:
        check_samples(self.stored)
        if self.y is None or self.vectors:
            if self.classes != 0:
                labels = "without labels" if self.y is None else "with vectors as labels"
                raise ValueError(f"classes: expected 0 {labels}, got {self.classes}")
            if self.y is not None:
                _check_vectors(self.y, len(self.stored))
        else:
            _check_labels(self.y, len(self.stored), self.classes)
        if self.class_names and len(self.class_names) != self.classes:
            raise ValueError(
                f"class_names: expected one for each of {self.classes} classes, "
                f"got {len(self.class_names)}"
            )

    def __len__(self) -> int:
        return len(self.stored)

    @cached_property
    def x(self) -> Tensor:
        """All samples as float32, images in [-1, 1]; for pixels a copy of four times the size."""
        return floats(self.stored)

    def rows(self, index: Tensor | slice) -> Tensor:
        """Return some samples as float32, without a copy of the others.

        Args:
            index: Rows, int64 or bool, or a slice.
        """
        return floats(self.stored[index])

    def part(self, index: Tensor, name: str | None = None) -> "ArrayDataset":
        """Return the data of some rows.

        Args:
            index: Rows, int64 or bool.
            name: Name of the part; None keeps the name.
        """
        y = None if self.y is None else self.y[index]
        weights = None if self.weights is None else self.weights[index]
        name = self.name if name is None else name
        return replace(self, stored=self.stored[index], y=y, name=name, weights=weights)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.stored.shape[1:])

    @property
    def kind(self) -> Kind:
        """`"image"` for samples of shape (C, H, W), else `"vector"`."""
        return kind_of(self.shape)

    @property
    def vectors(self) -> int:
        """Size of each sample's label vector; 0 for classes, or without labels."""
        y = self.y
        return y.shape[1] if isinstance(y, Tensor) and y.is_floating_point() and y.ndim == 2 else 0

    @property
    def columns(self) -> tuple[Tensor, ...]:
        """Tensors that a batch takes rows of: (x,), or (x, y) with labels; x may be pixels."""
        return (self.stored,) if self.y is None else (self.stored, self.y)

    @cached_property
    def bounded(self) -> bool:
        """Whether every value lies in [-1, 1], the range of a generator that ends in tanh."""
        if self.stored.dtype == torch.uint8:
            return True
        low, high = extremes(self.stored)
        return low >= -1 and high <= 1

    def to(self, device: torch.device | str) -> "ArrayDataset":
        """Return the same data on `device`."""
        y = None if self.y is None else self.y.to(device)
        return replace(self, stored=self.stored.to(device), y=y)

    def unlabelled(self) -> "ArrayDataset":
        """Return the samples without their labels."""
        return replace(self, y=None, classes=0, class_names=(), test_part=None)

    def test(self) -> "ArrayDataset | None":
        """Load the test part of the data; None where there is none."""
        return None if self.test_part is None else self.test_part()


def check_samples(x: Tensor, names: Sequence[str] = ()) -> None:
    """Check that samples are finite float32 values, or pixels.

    Args:
        x: Samples (N, ...).
        names: Names of the columns of vectors, for the message.

    Raises:
        TypeError: Not a float32 or uint8 tensor.
        ValueError: No samples, or a value that is not finite.
    """
    right_type = isinstance(x, Tensor) and x.dtype in (torch.float32, torch.uint8)
    if not right_type or x.ndim < 2:
        problem = f"data: expected a float32 tensor of shape (N, ...), got {describe_value(x)}"
        raise ValueError(problem) if right_type else TypeError(problem)
    if x.numel() == 0:
        raise ValueError(
            "data: expected at least one sample with at least one value, "
            f"got shape {tuple(x.shape)}"
        )
    if x.dtype == torch.float32 and not all(map(isfinite, extremes(x))):
        check_finite(x, names)


def _check_vectors(y: Tensor, samples: int) -> None:
    if y.dtype != torch.float32:
        raise TypeError(f"labels: expected float32 vectors ({samples}, d), got {describe_value(y)}")
    if len(y) != samples:
        raise ValueError(f"labels: expected {samples} vectors, one per sample, got {len(y)}")
    if not torch.isfinite(y).all():
        raise ValueError("labels: expected finite vectors, got NaN or infinite values")


def _check_labels(y: Tensor, samples: int, classes: int) -> None:
    if not isinstance(y, Tensor) or y.dtype != torch.int64:
        raise TypeError(
            f"labels: expected an int64 tensor of shape ({samples},), got {describe_value(y)}"
        )
    if y.shape != (samples,):
        raise ValueError(
            f"labels: expected shape ({samples},), one per sample, got {tuple(y.shape)}"
        )
    low, high = (int(value) for value in y.aminmax())
    if low < 0 or high >= classes:
        wrong = low if low < 0 else high
        raise ValueError(f"labels: expected class indices in [0, {classes}), got {wrong}")
