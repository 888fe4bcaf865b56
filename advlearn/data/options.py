"""Options of reading a data set, checked before anything is read."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from advlearn.core.checks import check_choice
from advlearn.data.items import ItemReader, Keys
from advlearn.data.pixels import Alpha


@final
@dataclass(frozen=True)
class ReadOptions:
    """Hold the options of `load`, which documents them.

    Args:
        layout: Order of the axes; None decides by the shape.
        value_range: Range of the values of images; None decides by the values.
        alpha: What becomes of transparent pixels; None refuses them.
        size: Height and width to crop and resize pictures to.
        keys: Keys of the sample and of the label in items that are dicts.
        balanced: Whether each class is drawn equally often.
        mirror: Whether images are mirrored left to right at random.
    """

    layout: str | None = None
    value_range: Any = None
    alpha: Alpha | None = None
    size: int | Sequence[int] | None = None
    keys: Keys | None = None
    balanced: bool = False
    mirror: bool = False

    def __post_init__(self) -> None:
        if self.alpha is not None:
            check_choice("alpha", self.alpha, ("white", "black", "drop"))
        sides = self.sides
        if sides is not None and (len(sides) != 2 or not all(side > 0 for side in sides)):
            raise ValueError(
                f"size: expected a side or (height, width) in pixels, got {self.size!r}"
            )

    @property
    def sides(self) -> tuple[int, int] | None:
        """Height and width of pictures, or None."""
        if self.size is None or isinstance(self.size, int):
            return None if self.size is None else (self.size, self.size)
        return tuple(self.size)  # pyright: ignore[reportReturnType]

    @property
    def items(self) -> ItemReader:
        """Reader of the items of a data set."""
        return ItemReader(self.keys, self.alpha, self.sides)

    def apply(self, data: Any) -> Any:
        """Return a data set that draws its batches as chosen.

        Raises:
            ValueError: Balanced classes without labels in memory, or mirrored data that is not
                images.
        """
        if self.mirror:
            if data.kind != "image":
                raise ValueError(
                    f"mirror: expected images (C, H, W), got samples of shape {data.shape}; "
                    "leave it out"
                )
            data = replace(data, mirror=True)
        if self.balanced:
            y = getattr(data, "y", None)
            if y is None or not data.classes:
                raise ValueError(
                    f"balanced: expected data in memory with a class for each sample, got "
                    f"{data.name!r}; pass labels, or a DataLoader with a WeightedRandomSampler"
                )
            data = replace(data, weights=class_weights(y, data.classes))
        return data


DEFAULT_OPTIONS = ReadOptions()
"""Every choice is left to the reader."""


def class_weights(y: Tensor, classes: int) -> Tensor:
    """Return a weight per sample that gives each class the same total.

    Example:
        >>> class_weights(torch.tensor([0, 0, 1]), 2)
        tensor([0.5000, 0.5000, 1.0000], dtype=torch.float64)
    """
    counts = torch.bincount(y.cpu(), minlength=classes)
    return (1.0 / counts.double())[y.cpu()]
