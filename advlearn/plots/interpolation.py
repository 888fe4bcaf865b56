"""Interpolation between two samples in the latent space."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from advlearn.core.arguments import Count, checked
from advlearn.plots.image_table import image_table
from advlearn.training.rng import isolated


@checked
def spherical(z0: Tensor, z1: Tensor, steps: int) -> Tensor:
    r"""Interpolate between vectors along the arc that joins them, ends included.

    .. math::
        z(t) = \frac{\sin((1 - t)\,\omega)}{\sin \omega}\,z_0
        + \frac{\sin(t\,\omega)}{\sin \omega}\,z_1, \qquad \omega = \angle(z_0, z_1)

    Normal latents of size d have lengths near the square root of d, and so have the points of the
    arc. Points of the straight line are shorter, and generators are not trained on them.

    Args:
        z0: Vectors (N, d).
        z1: Vectors (N, d).
        steps: Number of points, at least 2.

    Returns:
        Points (N, steps, d).

    Raises:
        ValueError: Vectors of different shapes, or fewer than two steps.

    Example:
        >>> spherical(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]]), 3)[0, 1]
        tensor([0.7071, 0.7071])

    Reference: Shoemake, "Animating Rotation with Quaternion Curves", 1985, section 3.3; White,
        "Sampling Generative Networks", 2016, section 2.1.

    Deviations: the arc is not defined for collinear vectors, which are joined by a line.
    """
    if z0.ndim != 2 or z0.shape != z1.shape:
        raise ValueError(
            f"z1: expected vectors (N, d) of the shape {tuple(z0.shape)} of z0, "
            f"got {tuple(z1.shape)}"
        )
    if steps < 2:
        raise ValueError(f"steps: expected at least 2, got {steps}")
    t = torch.linspace(0, 1, steps, device=z0.device, dtype=z0.dtype)[None, :, None]
    lengths = z0.norm(dim=1) * z1.norm(dim=1)
    cosine = (z0 * z1).sum(1) / lengths.clamp_min(torch.finfo(z0.dtype).tiny)
    angle = torch.acos(cosine.clamp(-1, 1))[:, None, None]
    sine = torch.sin(angle)
    collinear = sine < 1e-4
    sine = torch.where(collinear, 1, sine)
    first = torch.where(collinear, 1 - t, torch.sin((1 - t) * angle) / sine)
    second = torch.where(collinear, t, torch.sin(t * angle) / sine)
    return first * z0[:, None] + second * z1[:, None]


def redrawn(draw: Callable[[], Tensor]) -> Tensor:
    """Call a function with the same random numbers each time, for equal noise in all images.

    Args:
        draw: Function that returns a tensor.

    Returns:
        The tensor.

    Example:
        >>> bool((redrawn(lambda: torch.randn(3)) == redrawn(lambda: torch.randn(3))).all())
        True
    """
    with isolated(0):
        return draw()


@checked
@torch.no_grad()
def interpolation(
    sample: Callable[[Tensor], Tensor],
    z0: Tensor,
    z1: Tensor,
    steps: Count,
    path: str | Path,
    rows: tuple[str, ...] = (),
) -> Path:
    """Draw one row for each pair of latents, along the arc from the first to the second.

    Noise inside the generator is equal along a row.

    Args:
        sample: Function from latents (N, d) to images (N, 1 or 3, H, W) in [-1, 1], such as a
            generator in evaluation mode.
        z0: First latents of the rows, (R, d).
        z1: Last latents of the rows, (R, d).
        steps: Images per row, ends included.
        path: The PNG file.
        rows: A heading for each row, or an empty tuple.

    Returns:
        The file.

    Raises:
        ValueError: As `spherical` and `image_table`.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "between.png"
        >>> interpolation(
        ...     lambda z: z.view(-1, 1, 2, 2), torch.rand(3, 4), torch.rand(3, 4), 5, path
        ... ).name
        'between.png'
    """
    between = [redrawn(lambda z=z: sample(z)) for z in spherical(z0, z1, steps).unbind(1)]
    return image_table(torch.stack(between, 1), path, rows=rows)
