"""A picture of generated images with real ones next to them, titled and ordered by class."""

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from pathlib import Path
from typing import Any, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from advlearn.core.arguments import Count, checked
from advlearn.core.checks import describe_value
from advlearn.core.files import atomic_write
from advlearn.plots.image_table import GAP, WHITE, Pixels, heading, pixels
from advlearn.training.periodic_plot import PeriodicPlot

_BAND = 24  # between generated and real images, in pixels
_WIDEST = 16  # images of one class in a row


class Images(NamedTuple):
    """Images (N, C, H, W) in [-1, 1], and their classes (N,) or None."""

    x: Tensor
    labels: Tensor | None = None


@checked
def sample_sheet(
    samples: Images,
    path: str | Path,
    *,
    real: Images | None = None,
    title: str = "",
    class_names: Sequence[str] = (),
) -> Path:
    """Draw generated images under a heading, with real ones next to them, into a PNG file.

    With classes, each row shows one class, and its name is in front of it.

    Args:
        samples: Generated images, (N, 1 or 3, H, W) in [-1, 1], with or without classes.
        path: The file, written atomically; its folder is created.
        real: Real images of the same form, or None.
        title: A line above the picture.
        class_names: Name of each class; by default its number.

    Returns:
        The file.

    Raises:
        ValueError: Images of another shape, none, or classes of another length.

    Example:
        >>> import tempfile
        >>> images = Images(torch.rand(8, 1, 8, 8) * 2 - 1, torch.arange(8) % 2)
        >>> path = Path(tempfile.mkdtemp()) / "sheet.png"
        >>> sample_sheet(images, path, class_names=("cat", "dog")).name
        'sheet.png'
    """
    from PIL import Image

    sides = {"generated": samples} | ({} if real is None else {"real": real})
    for name, side in sides.items():
        _check(name, side)
    of_both = [side.labels for side in sides.values()]
    if all(labels is not None for labels in of_both):
        shown = torch.cat([labels for labels in of_both if labels is not None]).unique()
        named = list(class_names) or [str(k) for k in range(1 + int(shown.max()))]
        rows, columns = _grid_of_class(list(sides.values()), shown)
        # The name of a class is in front of the first of its rows.
        names = [named[int(k)] if row == 0 else "" for k in shown for row in range(rows)]
        parts = [_by_class(side, shown, rows, columns) for side in sides.values()]
    else:
        names, parts = list[str](), [_in_a_square(side.x) for side in sides.values()]
    # The names of the rows are in front of the first block only.
    blocks = [pixels(part, rows=names if i == 0 else ()) for i, part in enumerate(parts)]
    sheet = _joined([_headed(b, w) for b, w in zip(blocks, sides, strict=True)])
    sheet = _headed(sheet, title) if title else sheet
    path = Path(path)
    with atomic_write(path) as file:
        Image.fromarray(sheet).save(file, format="PNG")
    return path


def _check(name: str, side: Images) -> None:
    x, labels = side
    if x.ndim != 4 or x.shape[1] not in (1, 3) or not x.numel():
        raise ValueError(f"{name}: expected images (N, 1 or 3, H, W), got {tuple(x.shape)}")
    if labels is not None and labels.shape != (len(x),):
        raise ValueError(
            f"{name}: expected a class for each of {len(x)} images, got {describe_value(labels)}"
        )


def _grid_of_class(sides: list[Images], classes: Tensor) -> tuple[int, int]:
    """Return the rows and columns that the images of a class take on each side."""
    counts = [int((torch.as_tensor(side.labels) == k).sum()) for side in sides for k in classes]
    columns = max(1, min(_WIDEST, max(counts)))
    return max(1, ceil(max(counts) / columns)), columns


def _by_class(side: Images, classes: Tensor, rows: int, columns: int) -> Tensor:
    """Return images (K rows, columns, C, H, W) ordered by class; missing images are white."""
    shape = side.x.shape[1:]
    table = side.x.new_ones(len(classes), rows * columns, *shape)
    for place, k in zip(table, classes, strict=True):
        of_class = side.x[torch.as_tensor(side.labels) == k]
        place[: len(of_class)] = of_class
    return table.view(-1, columns, *shape)


def _in_a_square(x: Tensor) -> Tensor:
    """Return images (R, C, ...) in as many rows as columns; missing images are white."""
    columns = ceil(sqrt(len(x)))
    table = x.new_ones(ceil(len(x) / columns) * columns, *x.shape[1:])
    table[: len(x)] = x
    return table.view(-1, columns, *x.shape[1:])


def _headed(block: Pixels, words: str) -> Pixels:
    """Put words above a block."""
    above = heading(words)
    width = max(block.shape[1], above.shape[1] + 2 * GAP)
    canvas = np.full((above.shape[0] + GAP + block.shape[0], width, 3), WHITE, np.uint8)
    canvas[: above.shape[0], GAP : GAP + above.shape[1]] = above
    canvas[above.shape[0] + GAP :, : block.shape[1]] = block
    return canvas


def _joined(blocks: list[Pixels]) -> Pixels:
    """Put blocks next to each other."""
    height = max(block.shape[0] for block in blocks)
    band = np.full((height, _BAND, 3), WHITE, np.uint8)
    pieces: list[Any] = []
    for block in blocks:
        below = ((0, height - block.shape[0]), (0, 0), (0, 0))
        pieces += [band, np.pad(block, below, constant_values=WHITE)]
    return np.concatenate(pieces[1:], 1)


@final
class SampleSheets(PeriodicPlot):
    """Draw generated and real images at regular intervals, ``step-00001000.png`` and so on.

    Args:
        folder: Folder of the files.
        every: Training steps between two plots.
        samples: Function that returns generated images.
        real: Real images, or None.
        name: Words in front of the step in the title, such as the objective and the data.
        class_names: Name of each class; by default its number.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> SampleSheets("runs/demo", 500, samples=lambda: Images(torch.rand(4, 1, 8, 8))).every
        500
    """

    def __init__(
        self,
        folder: str | Path,
        every: Count = 1000,
        *,
        samples: Callable[[], Images],
        real: Images | None = None,
        name: str = "",
        class_names: Sequence[str] = (),
    ) -> None:
        super().__init__(folder, every)
        self.samples = samples
        self.real = real
        self.name = name
        self.class_names = class_names

    def draw(self, step: int) -> None:
        """Write the sheet of a step."""
        sample_sheet(
            self.samples(),
            self.folder / f"step-{step:08d}.png",
            real=self.real,
            title=", ".join(part for part in (self.name, f"step {step}") if part),
            class_names=self.class_names,
        )
