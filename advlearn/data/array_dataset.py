"""A data set held in memory as one tensor of samples and one of labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

Kind = Literal["image", "vector"]


def show(value: object) -> str:
    """Describe a value in an error message: dtype and shape of a tensor or array, else the type.

    Example:
        >>> show(torch.zeros(3, 2))
        'float32 (3, 2)'
        >>> show([1])
        'list'
    """
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is None or dtype is None:
        return type(value).__name__
    return f"{str(dtype).removeprefix('torch.')} {tuple(shape)}"


def kind_of(shape: tuple[int, ...]) -> Kind:
    """Tell images (three axes a sample: channels, height, width) from everything else."""
    return "image" if len(shape) == 3 else "vector"


@final
@dataclass(frozen=True, eq=False)
class ArrayDataset:
    """Samples, their labels and what they are called.

    Args:
        x: Samples, float32 (N, ...). Images are channel-first (N, C, H, W) and scaled to [-1, 1].
        y: Class of each sample, int64 (N,), in [0, classes), or a vector for each, float32 (N, d);
            None without labels.
        name: What the data is called in logs and file names.
        classes: Number of classes; 0 without labels, or with vectors.

    Raises:
        TypeError: `x` is not a float32 tensor, or `y` neither an int64 nor a float32 one.
        ValueError: No samples, a value that is not finite, labels of another length or out of
        range.

    Example:
        >>> source = ArrayDataset(
        ...     torch.zeros(4, 1, 8, 8), torch.tensor([0, 1, 1, 0]), "blank", classes=2
        ... )
        >>> len(source), source.shape, source.kind
        (4, (1, 8, 8), 'image')
    """

    x: Tensor
    y: Tensor | None = None
    name: str = "data"
    classes: int = 0

    def __post_init__(self) -> None:
        check_samples(self.x)
        if self.y is None or self.vectors:
            if self.classes != 0:
                without = "without labels" if self.y is None else "with vectors"
                raise ValueError(f"classes: expected 0 {without}, got {self.classes}")
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
        """Size of the vector that goes with each sample; 0 for classes, or without labels."""
        y = self.y
        return y.shape[1] if isinstance(y, Tensor) and y.is_floating_point() and y.ndim == 2 else 0

    @property
    def columns(self) -> tuple[Tensor, ...]:
        """What a batch holds a part of: (x,), or (x, y) with labels."""
        return (self.x,) if self.y is None else (self.x, self.y)

    @property
    def bounded(self) -> bool:
        """Whether every value lies in [-1, 1], so that a generator that ends in tanh can reach it."""
        return bool((self.x.abs() <= 1).all())

    def to(self, device: torch.device | str) -> "ArrayDataset":
        """Return the same data on `device`."""
        y = None if self.y is None else self.y.to(device)
        return ArrayDataset(self.x.to(device), y, self.name, self.classes)


def check_samples(x: Tensor, names: Sequence[str] = ()) -> None:
    """Refuse samples that are no finite float32 in one line; of vectors it names the column, where it has a name."""
    if not isinstance(x, Tensor) or x.dtype != torch.float32 or x.ndim < 2:
        problem = f"data: expected a float32 tensor of shape (N, ...), got {show(x)}"
        raise (
            ValueError(problem)
            if isinstance(x, Tensor) and x.dtype == torch.float32
            else TypeError(problem)
        )
    if x.numel() == 0:
        raise ValueError(
            f"data: expected at least one sample and one value a sample, got shape {tuple(x.shape)}"
        )
    finite = torch.isfinite(x)
    if not finite.all():
        where, column = (int(index) for index in (~finite).flatten(1).nonzero()[0])
        place = (
            ""
            if x.ndim > 2
            else f", column {column}" + (f" ({names[column]!r})" if column < len(names) else "")
        )
        odd = float(x[where].flatten()[column])
        raise ValueError(f"data: expected finite values, got {odd} in sample {where}{place}")


def _check_vectors(y: Tensor, samples: int) -> None:
    if y.dtype != torch.float32:
        raise TypeError(f"labels: expected float32 vectors ({samples}, d), got {show(y)}")
    if len(y) != samples:
        raise ValueError(f"labels: expected {samples} vectors, one a sample, got {len(y)}")
    if not torch.isfinite(y).all():
        raise ValueError("labels: expected finite vectors, got a value that is not")


def _check_labels(y: Tensor, samples: int, classes: int) -> None:
    if not isinstance(y, Tensor) or y.dtype != torch.int64:
        raise TypeError(f"labels: expected an int64 tensor of shape ({samples},), got {show(y)}")
    if y.shape != (samples,):
        raise ValueError(f"labels: expected shape ({samples},), one a sample, got {tuple(y.shape)}")
    low, high = (int(value) for value in y.aminmax())
    if low < 0 or high >= classes:
        odd = low if low < 0 else high
        raise ValueError(f"labels: expected class indices in [0, {classes}), got {odd}")
