"""Tables of images in one file, with headings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.files import atomic_write
from advlearn.training.samples import grey_levels

TILE = 64  # small images are enlarged by a whole factor to about this side, in pixels
GAP = 2
LETTERS = 12  # height of the headings, in pixels
WHITE = 255

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


@checked
def image_table(
    images: Tensor, path: str | Path, columns: Sequence[str] = (), rows: Sequence[str] = ()
) -> Path:
    """Draw a table of images into a PNG file; small images are enlarged by a whole factor.

    Args:
        images: Float images (R, C, 1 or 3, H, W), clipped to [-1, 1].
        path: The file, written atomically; its folder is created.
        columns: A heading for each column, or an empty sequence.
        rows: A heading for each row, or an empty sequence.

    Returns:
        The file.

    Raises:
        ValueError: Images of another shape, no images, or another number of headings.
        OSError: The file cannot be written.

    Example:
        >>> import tempfile, torch
        >>> path = image_table(
        ...     torch.rand(2, 3, 1, 8, 8), Path(tempfile.mkdtemp()) / "table.png", rows=["a", "b"]
        ... )
        >>> path.read_bytes()[1:4]
        b'PNG'
    """
    from PIL import Image

    table = pixels(images, columns, rows)
    path = Path(path)
    with atomic_write(path) as file:
        Image.fromarray(table).save(file, format="PNG")
    return path


@checked
def pixels(images: Tensor, columns: Sequence[str] = (), rows: Sequence[str] = ()) -> Pixels:
    """Draw a table of images into an array.

    Args:
        images: Images, see `image_table`.
        columns: Headings of the columns.
        rows: Headings of the rows.

    Returns:
        The table, uint8 (height, width, 3).

    Raises:
        ValueError: As `image_table`.

    Example:
        >>> import torch
        >>> pixels(torch.zeros(2, 3, 1, 8, 8)).shape
        (134, 200, 3)
    """
    if images.ndim != 5 or images.shape[2] not in (1, 3) or not images.numel():
        raise ValueError(f"images: expected (R, C, 1 or 3, H, W), got {tuple(images.shape)}")
    for name, words, n in (("columns", columns, images.shape[1]), ("rows", rows, images.shape[0])):
        if len(words) not in (0, n):
            raise ValueError(f"{name}: expected none or {n} headings, got {len(words)}")
    cells = _cells(images)
    side, above = [heading(word) for word in rows], [heading(word) for word in columns]
    # A heading wider than an image widens the columns.
    height, width = cells.shape[2], max([cells.shape[3], *(word.shape[1] for word in above)])
    left = max((word.shape[1] + 2 * GAP for word in side), default=0)
    top = max((word.shape[0] + GAP for word in above), default=0)
    n, m = cells.shape[:2]
    canvas = np.full(
        (top + n * (height + GAP) + GAP, left + m * (width + GAP) + GAP, 3), WHITE, np.uint8
    )
    for c, word in enumerate(above):
        _put(canvas, word, GAP, left + GAP + c * (width + GAP) + (width - word.shape[1]) // 2)
    for r in range(n):
        y = top + GAP + r * (height + GAP)
        for word in side[r : r + 1]:
            _put(canvas, word, y + (height - word.shape[0]) // 2, left - GAP - word.shape[1])
        for c in range(m):
            _put(
                canvas,
                cells[r, c],
                y,
                left + GAP + c * (width + GAP) + (width - cells.shape[3]) // 2,
            )
    return canvas


def _cells(images: Tensor) -> Pixels:
    """Convert images to uint8 (R, C, H, W, 3), enlarged."""
    values = images.detach().float().cpu().numpy()
    # Enlarge images to at least the height of a heading.
    zoom = max(1, TILE // max(values.shape[3:]), -(-(LETTERS + 2 * GAP) // values.shape[3]))
    levels = grey_levels(values, zoom)
    return levels.repeat(3 // levels.shape[2], 2).transpose(0, 1, 3, 4, 2)


def heading(word: str) -> Pixels:
    """Draw a heading in black on white, uint8 (height, width, 3)."""
    from PIL import Image, ImageDraw, ImageFont

    font = ImageFont.load_default(LETTERS)
    size = max(1, round(font.getlength(word)) + 1), LETTERS + 2 * GAP
    image = Image.new("L", size, WHITE)
    ImageDraw.Draw(image).text((0, 0), word, fill=0, font=font)
    return np.asarray(image)[:, :, None].repeat(3, 2)


def _put(canvas: Pixels, piece: Pixels, top: int, left: int) -> None:
    canvas[top : top + piece.shape[0], left : left + piece.shape[1]] = piece
