"""Truncation: the same latents at several distances from the mean."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor

from advlearn.core.argument_rules import Length
from advlearn.core.arguments import checked
from advlearn.plots.image_table import image_table
from advlearn.plots.interpolation import redrawn


@checked
@torch.no_grad()
def truncation(
    sample: Callable[[Tensor, float], Tensor],
    z: Tensor,
    values: Annotated[Sequence[float], Length(1, None, "one value or more")],
    path: str | Path,
) -> Path:
    """Draw one row for each latent and one column for each truncation.

    Noise inside the generator is equal along a row.

    Args:
        sample: Function from latents (N, d) and a truncation to images (N, 1 or 3, H, W) in
            [-1, 1].
        z: Latents (R, d).
        values: Truncations, in the order of the columns.
        path: The PNG file.

    Returns:
        The file.

    Raises:
        ValueError: As `image_table`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "sweep.png"
        >>> truncation(
        ...     lambda z, psi: (psi * z).view(-1, 1, 2, 2), torch.rand(3, 4), (0.0, 0.5, 1.0), path
        ... ).name
        'sweep.png'
    """
    images = torch.stack([redrawn(lambda v=value: sample(z, v)) for value in values], 1)
    return image_table(images, path, columns=[f"{value:g}" for value in values])
