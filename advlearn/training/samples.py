"""Pictures of what a player makes."""

from collections.abc import Callable
from math import ceil, sqrt
from pathlib import Path
from typing import Any, final

import numpy as np
from torch import Tensor

from advlearn.training.files import replacing
from advlearn.training.periodic_plot import PeriodicPlot

# Small images are enlarged by whole factors until their longer side has about so many pixels.
_TILE = 64
_GAP = 2


def save_image_grid(samples: Tensor, path: str | Path, real: Tensor | None = None) -> None:
    """Draw samples into a PNG file.

    Images become a grid, pixel for pixel; a small one is enlarged by a whole factor. Vectors become
    a scatter of their first two dimensions, numbers a histogram, over the real ones where given.

    Args:
        samples: Float images (N, 1 or 3, H, W) in [-1, 1], clipped to that; or vectors (N, D).
        path: The file; its folder is made. It is replaced whole.
        real: Samples to compare with: images fill a second grid to the right, vectors lie behind.

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
                f"{name}: expected images (N, 1 or 3, H, W) or vectors (N, D), got {tuple(side.shape)}"
            )
    arrays = [side.detach().float().cpu().numpy() for side in sides]
    if samples.ndim == 4:
        _draw_images([_grid(a) for a in arrays], Path(path))
    else:
        _draw_vectors(arrays, Path(path))


@final
class SampleGrid(PeriodicPlot):
    """A picture of samples every so many steps and at the end: ``step-00001000.png`` and so on.

    Args:
        folder: Where the pictures go.
        every: Player steps between two pictures.
        samples: Returns samples as `picture` takes them.
        real: Samples to compare with, as `picture` takes them.

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
        every: int = 1000,
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
    """Images (..., H, W) in [-1, 1] as uint8 from 0 to 255, each pixel `zoom` times as wide and high."""
    # NaN, too, has to become some grey, without a warning
    levels = (
        np.nan_to_num(np.clip(images, -1, 1) * 127.5 + 127.5, nan=127.0).round().astype(np.uint8)
    )
    return levels.repeat(zoom, -2).repeat(zoom, -1)


def _grid(images: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Images (N, C, H, W) in [-1, 1] as one image (rows, columns, C), uint8, nearly square."""
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
    )  # between samples and real ones
    joined = np.concatenate([piece for part in parts for piece in (band, part)][1:], 1)
    with replacing(path) as file:
        Image.fromarray(joined[:, :, 0] if channels == 1 else joined).save(file, format="PNG")


def _draw_vectors(sides: list[np.ndarray[Any, Any]], path: Path) -> None:
    from matplotlib.figure import Figure  # not pyplot: no window, no global state

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    shown = list(zip(sides, ("player", "real"), ("tab:orange", "tab:gray"), strict=False))
    for points, label, colour in reversed(shown):
        if points.shape[1] == 1:
            axes.hist(points[:, 0], bins=60, density=True, alpha=0.6, label=label, color=colour)
        else:
            axes.scatter(
                points[:, 0], points[:, 1], s=6, alpha=0.6, linewidths=0, label=label, color=colour
            )
    if len(shown) > 1:
        axes.legend(loc="upper right")
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=120)
