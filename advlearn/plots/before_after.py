"""A table of inputs, outputs and targets."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.plots.image_table import image_table


@checked
def before_after(columns: Mapping[str, Tensor], path: str | Path) -> Path:
    """Draw one row for each sample and one column for each stage, such as input and output.

    Grey and colour stages may be mixed. Small images are enlarged to the largest by a whole factor.

    Args:
        columns: Images (N, 1 or 3, H, W) in [-1, 1] of each column, by its heading; sides may
            differ by whole factors.
        path: The PNG file.

    Returns:
        The file.

    Raises:
        ValueError: Columns of different lengths, or sides that are not whole multiples of each
            other.

    Example:
        >>> import tempfile
        >>> stages = {"input": torch.rand(4, 1, 2, 2), "output": torch.rand(4, 3, 8, 8)}
        >>> before_after(stages, Path(tempfile.mkdtemp()) / "pairs.png").name
        'pairs.png'
    """
    if not columns:
        raise ValueError("columns: expected at least one, got none")
    shapes = {name: tuple(images.shape) for name, images in columns.items()}
    height, width = (max(shape[place] for shape in shapes.values()) for place in (-2, -1))
    n = next(iter(shapes.values()))[0]
    for name, shape in shapes.items():
        if len(shape) != 4 or shape[0] != n or height % shape[2] or width % shape[3]:
            expected = f"({n}, 1 or 3, H, W) with whole factors of H and W up to {(height, width)}"
            raise ValueError(f"columns: expected {name!r} to be {expected}, got {shape}")
    channels = max(shape[1] for shape in shapes.values())
    stages = [
        images.repeat_interleave(height // shape[2], 2)
        .repeat_interleave(width // shape[3], 3)
        .expand(-1, channels, -1, -1)
        .cpu()
        for images, shape in zip(columns.values(), shapes.values(), strict=True)
    ]
    return image_table(torch.stack(stages, 1), path, columns=list(columns))
