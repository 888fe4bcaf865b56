"""Style mixing: the coarse style of one sample with the fine style of another."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.plots.image_table import image_table
from advlearn.plots.interpolation import redrawn


@checked
@torch.no_grad()
def mixing(
    mixed: Callable[[Tensor, Tensor], Tensor], coarse: Tensor, fine: Tensor, path: str | Path
) -> Path:
    """Draw a table of coarse sources (rows) mixed with fine sources (columns).

    The first column and the first row show the sources. Noise inside the generator is equal along a
    row.

    Args:
        mixed: Function from coarse and fine latents, (N, d) each, to images (N, 1 or 3, H, W) in
            [-1, 1]; a source is a latent mixed with itself.
        coarse: Latents (R, d) of the rows.
        fine: Latents (C, d) of the columns.
        path: The PNG file.

    Returns:
        The file.

    Raises:
        ValueError: As `image_table`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "mixed.png"
        >>> mixing(
        ...     lambda a, b: (a + b).view(-1, 1, 2, 2) / 2, torch.rand(3, 4), torch.rand(2, 4), path
        ... ).name
        'mixed.png'
    """
    rows, columns = redrawn(lambda: mixed(coarse, coarse)), redrawn(lambda: mixed(fine, fine))
    body = torch.stack([redrawn(lambda z=z: mixed(coarse, z.expand_as(coarse))) for z in fine], 1)
    corner = torch.ones_like(rows[:1])
    head = torch.cat([corner, columns])[None]
    return image_table(torch.cat([head, torch.cat([rows[:, None], body], 1)]), path)
