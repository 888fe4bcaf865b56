"""Image grids and scatter plots of samples."""

from collections.abc import Callable
from math import ceil, sqrt
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import Tensor

from advlearn.core.arguments import Count, checked
from advlearn.core.files import atomic_write
from advlearn.training.periodic_plot import PeriodicPlot

_TILE = 64  # small images are enlarged by whole factors to about this side, in pixels
_GAP = 2


@checked
def save_image_grid(samples: Tensor, path: str | Path, real: Tensor | None = None) -> None:
    """Draw samples into a PNG file.

    Images become a grid; small ones are enlarged by a whole factor. Vectors become a scatter plot
    of their first two dimensions and numbers a histogram, in front of real samples if given.

    Args:
        samples: Float images (N, 1 or 3, H, W), clipped to [-1, 1]; or vectors (N, D).
        path: The file, written atomically; its folder is created.
        real: Samples to compare with; images become a second grid on the right.

    Raises:
        ValueError: Samples of another shape, or none.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> path = Path(tempfile.mkdtemp()) / "grid.png"
        >>> save_image_grid(torch.rand(16, 1, 8, 8) * 2 - 1, path)
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    sides = [samples] if real is None else [samples, real]
    for name, side in zip(("samples", "real"), sides, strict=False):
        image = side.ndim == 4 and side.shape[1] in (1, 3)
        if not (image or side.ndim == 2) or side.ndim != samples.ndim or not side.numel():
            raise ValueError(
                f"{name}: expected images (N, 1 or 3, H, W) or vectors (N, D), "
                f"got {tuple(side.shape)}"
            )
    arrays = [side.detach().float().cpu().numpy() for side in sides]
    if samples.ndim == 4:
        _draw_images([_grid(a) for a in arrays], Path(path))
    else:
        _draw_vectors(arrays, Path(path))


@final
class SampleGrid(PeriodicPlot):
    """Draw samples at regular intervals and at the end, into ``step-00001000.png`` and so on.

    Args:
        folder: Folder of the files.
        every: Training steps between two plots.
        samples: Function that returns samples, see `save_image_grid`.
        real: Samples to compare with, see `save_image_grid`.

    Raises:
        ValueError: `every` is not positive.

    Example:
        >>> import torch
        >>> SampleGrid("runs/demo", 500, samples=lambda: torch.rand(16, 1, 8, 8)).every
        500
    """

    def __init__(
        self,
        folder: str | Path,
        every: Count = 1000,
        *,
        samples: Callable[[], Tensor],
        real: Tensor | None = None,
    ) -> None:
        super().__init__(folder, every)
        self.samples = samples
        self.real = real

    def draw(self, step: int) -> None:
        """Write the samples."""
        save_image_grid(self.samples(), self.folder / f"step-{step:08d}.png", self.real)


def grey_levels(images: np.ndarray[Any, Any], zoom: int = 1) -> np.ndarray[Any, Any]:
    """Convert images in [-1, 1] to grey levels.

    Args:
        images: Images (..., H, W).
        zoom: Whole factor to enlarge both sides by.

    Returns:
        uint8 from 0 to 255, (..., zoom H, zoom W).
    """
    # NaN becomes grey without a warning
    levels = (
        np.nan_to_num(np.clip(images, -1, 1) * 127.5 + 127.5, nan=127.0).round().astype(np.uint8)
    )
    return levels.repeat(zoom, -2).repeat(zoom, -1)


def _grid(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Arrange images (N, C, H, W) in [-1, 1] in one uint8 image (rows, columns, C)."""
    n, channels, height, width = images.shape
    zoom = max(1, _TILE // max(height, width))
    levels = grey_levels(images, zoom)
    height, width = height * zoom + _GAP, width * zoom + _GAP
    columns = ceil(sqrt(n))
    canvas = np.full(
        (ceil(n / columns) * height + _GAP, columns * width + _GAP, channels), 255, np.uint8
    )
    for i, image in enumerate(levels):
        top, left = i // columns * height + _GAP, i % columns * width + _GAP
        canvas[top : top + height - _GAP, left : left + width - _GAP] = image.transpose(1, 2, 0)
    return canvas


def _draw_images(grids: list[np.ndarray[Any, Any]], path: Path) -> None:
    from PIL import Image

    height, channels = max(g.shape[0] for g in grids), max(g.shape[2] for g in grids)
    parts = [
        np.pad(g, ((0, height - g.shape[0]), (0, 0), (0, 0)), constant_values=255) for g in grids
    ]
    parts = [p.repeat(channels // p.shape[2], 2) for p in parts]
    band = np.full(
        (height, 3 * _TILE // 4, channels), 255, np.uint8
    )  # between samples and real images
    joined = np.concatenate([piece for part in parts for piece in (band, part)][1:], 1)
    with atomic_write(path) as file:
        Image.fromarray(joined[:, :, 0] if channels == 1 else joined).save(file, format="PNG")


def _draw_vectors(sides: list[np.ndarray[Any, Any]], path: Path) -> None:
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    layers = list(zip(sides, ("samples", "real"), ("tab:orange", "tab:gray"), strict=False))
    for points, label, colour in reversed(layers):
        if points.shape[1] == 1:
            axes.hist(points[:, 0], bins=60, density=True, alpha=0.6, label=label, color=colour)
        else:
            axes.scatter(
                points[:, 0], points[:, 1], s=6, alpha=0.6, linewidths=0, label=label, color=colour
            )
    if len(layers) > 1:
        axes.legend(loc="upper right")
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=120)
