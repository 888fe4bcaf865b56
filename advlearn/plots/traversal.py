"""One code varied, everything else held."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from advlearn.plots.image_table import image_table


def varied(latents: Tensor, places: Sequence[int], values: Tensor) -> Tensor:
    """Latents with some of their numbers replaced by each row of `values` in turn.

    Args:
        latents: Vectors (R, d).
        places: Which numbers of a vector are replaced, k of them.
        values: What they are replaced by, (C, k): ``torch.linspace(-2, 2, 9)[:, None]`` for one
            continuous code, ``torch.eye(10)`` for a discrete code of ten values.

    Returns:
        Vectors (R, C, d).

    Raises:
        ValueError: Values of another shape, or a place outside of a vector.

    Example:
        >>> varied(torch.zeros(1, 3), [2], torch.tensor([[-1.0], [1.0]]))
        tensor([[[ 0.,  0., -1.],
                 [ 0.,  0.,  1.]]])
    """
    if values.ndim != 2 or values.shape[1] != len(places):
        raise ValueError(
            f"values: expected (C, {len(places)}), a number for each place, got {tuple(values.shape)}"
        )
    if not all(0 <= place < latents.shape[1] for place in places):
        raise ValueError(
            f"places: expected numbers from 0 below {latents.shape[1]}, got {list(places)}"
        )
    result = latents[:, None].repeat(1, len(values), 1)
    result[:, :, list(places)] = values.to(latents)
    return result


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
        sample: From latents (N, d) to images (N, 1 or 3, H, W) in [-1, 1].
        latents: As for `varied`.
        places: As for `varied`.
        values: As for `varied`.
        path: The PNG file.
        columns: A heading for each value, or none.

    Returns:
        The file.

    Raises:
        ValueError: As for `varied` and `image_table`.

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
