"""Traversal of one code with the others fixed."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.plots.image_table import image_table


@checked
def varied(latents: Tensor, places: Sequence[int], values: Tensor) -> Tensor:
    """Replace some components of latents by each row of `values` in turn.

    Args:
        latents: Vectors (R, d).
        places: Indices of the k components to replace.
        values: Values of these components, (C, k): ``torch.linspace(-2, 2, 9)[:, None]`` for one
            continuous code, ``torch.eye(10)`` for a discrete code of ten values.

    Returns:
        Vectors (R, C, d).

    Raises:
        ValueError: Values of another shape, or an index out of range.

    Example:
        >>> varied(torch.zeros(1, 3), [2], torch.tensor([[-1.0], [1.0]]))
        tensor([[[ 0.,  0., -1.],
                 [ 0.,  0.,  1.]]])
    """
    if values.ndim != 2 or values.shape[1] != len(places):
        raise ValueError(
            f"values: expected (C, {len(places)}), one column for each place, "
            f"got {tuple(values.shape)}"
        )
    if not all(0 <= place < latents.shape[1] for place in places):
        raise ValueError(f"places: expected indices in [0, {latents.shape[1]}), got {list(places)}")
    result = latents[:, None].repeat(1, len(values), 1)
    result[:, :, list(places)] = values.to(latents)
    return result


@checked
@torch.no_grad()
def traversal(
    sample: Callable[[Tensor], Tensor],
    latents: Tensor,
    places: Sequence[int],
    values: Tensor,
    path: str | Path,
    columns: Sequence[str] = (),
) -> Path:
    """Draw one row for each latent and one column for each value of one of its codes.

    Args:
        sample: Function from latents (N, d) to images (N, 1 or 3, H, W) in [-1, 1].
        latents: Vectors (R, d).
        places: Indices of the components to replace, see `varied`.
        values: Values of these components, (C, k).
        path: The PNG file.
        columns: A heading for each value, or an empty sequence.

    Returns:
        The file.

    Raises:
        ValueError: As `varied` and `image_table`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "codes.png"
        >>> traversal(
        ...     lambda z: z.view(-1, 1, 2, 2), torch.rand(3, 4), [0, 1], torch.eye(2), path
        ... ).name
        'codes.png'
    """
    z = varied(latents, places, values)
    return image_table(sample(z.flatten(0, 1)).unflatten(0, z.shape[:2]), path, columns=columns)
