"""A data set held in memory as one tensor of samples and one of labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, final

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value

Kind = Literal["image", "vector"]


def kind_of(shape: tuple[int, ...]) -> Kind:
    """Return `"image"` for a sample of three axes (channels, height, width), else `"vector"`."""
    return "image" if len(shape) == 3 else "vector"


@checked
@final
@dataclass(frozen=True, eq=False)
class ArrayDataset:
    """Hold samples, their labels and the name of the data.

    Args:
        x: Samples, float32 (N, ...). Images are channel-first (N, C, H, W) and scaled to [-1, 1].
        y: Class of each sample, int64 (N,), in [0, classes), or a vector for each, float32 (N, d);
            None without labels.
        name: Name of the data in logs and file names.
        classes: Number of classes; 0 without labels, or with vectors.
        test_part: Function that loads the test part; None where there is none.

    Raises:
        TypeError: `x` is not a float32 tensor, or `y` is neither int64 nor float32.
        ValueError: No samples, a value that is not finite, labels of another length or out of
            range.

    Example:
        >>> data = ArrayDataset(torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]), classes=2)
        >>> len(data), data.shape, data.kind
        (4, (1, 8, 8), 'image')
    """

    x: Tensor
    y: Tensor | None = None
    name: str = "data"
    classes: int = 0
    test_part: "Callable[[], ArrayDataset] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_samples(self.x)
        if self.y is None or self.vectors:
            if self.classes != 0:
                labels = "without labels" if self.y is None else "with vectors as labels"
                raise ValueError(f"classes: expected 0 {labels}, got {self.classes}")
            if self.y is not None:
                _check_vectors(self.y, len(self.x))
        else:
            _check_labels(self.y, len(self.x), self.classes)

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return tuple(self.x.shape[1:])

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
        """Tensors that a batch takes rows of: (x,), or (x, y) with labels."""
        return (self.x,) if self.y is None else (self.x, self.y)

    @property
    def bounded(self) -> bool:
        """Whether every value lies in [-1, 1], the range of a generator that ends in tanh."""
        return bool((self.x.abs() <= 1).all())

    def to(self, device: torch.device | str) -> "ArrayDataset":
        """Return the same data on `device`."""
        y = None if self.y is None else self.y.to(device)
        return replace(self, x=self.x.to(device), y=y)

    def unlabelled(self) -> "ArrayDataset":
        """Return the samples without their labels."""
        return ArrayDataset(self.x, None, self.name)

    def test(self) -> "ArrayDataset | None":
        """Load the test part of the data; None where there is none."""
        return None if self.test_part is None else self.test_part()


def check_samples(x: Tensor, names: Sequence[str] = ()) -> None:
    """Check that samples are finite float32 values.

    Args:
        x: Samples (N, ...).
        names: Names of the columns of vectors, for the message.

    Raises:
        TypeError: Not a float32 tensor.
        ValueError: No samples, or a value that is not finite.
    """
    if not isinstance(x, Tensor) or x.dtype != torch.float32 or x.ndim < 2:
        problem = f"data: expected a float32 tensor of shape (N, ...), got {describe_value(x)}"
        right_type = isinstance(x, Tensor) and x.dtype == torch.float32
        raise ValueError(problem) if right_type else TypeError(problem)
    if x.numel() == 0:
        raise ValueError(
            "data: expected at least one sample with at least one value, "
            f"got shape {tuple(x.shape)}"
        )
    finite = torch.isfinite(x)
    if not finite.all():
        row, column = (int(index) for index in (~finite).flatten(1).nonzero()[0])
        place = "" if x.ndim > 2 else f", column {column}"
        if place and column < len(names):
            place += f" ({names[column]!r})"
        value = float(x[row].flatten()[column])
        raise ValueError(f"data: expected finite values, got {value} in sample {row}{place}")


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
