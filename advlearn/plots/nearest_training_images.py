"""A table of samples and their nearest training images, which shows copies."""

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from advlearn.core.arguments import Count, checked
from advlearn.metrics import features, nearest_k
from advlearn.plots.image_table import image_table


@checked
def nearest_training_images(
    samples: Tensor,
    real: Tensor,
    path: str | Path,
    count: Count = 4,
    represent: nn.Module | Callable[[Tensor], Tensor] | None = None,
) -> Path:
    """Draw one row for each sample: the sample, then its nearest training images in order.

    Args:
        samples: Generated images (N, 1 or 3, H, W) in [-1, 1].
        real: Training images (M, C, H, W).
        path: The PNG file.
        count: Training images per row.
        represent: Module or function from images to features (N, d), which are compared by
            Euclidean distance; None compares pixels.

    Returns:
        The file.

    Raises:
        ValueError: Images of different shapes, or fewer than `count` training images.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "nearest.png"
        >>> nearest_training_images(torch.rand(3, 1, 4, 4), torch.rand(9, 1, 4, 4), path).name
        'nearest.png'
    """
    if samples.ndim != 4 or samples.shape[1:] != real.shape[1:]:
        expected = tuple(real.shape[1:])
        raise ValueError(
            f"samples: expected images (N, ...) of the shape {expected} of real, "
            f"got {tuple(samples.shape)}"
        )
    model = nn.Flatten() if represent is None else represent
    samples, real = samples.cpu(), real.cpu()
    neighbours = nearest_k(features(model, samples).cpu(), features(model, real).cpu(), count)
    images = torch.cat([samples[:, None], real[neighbours.indices]], 1)
    return image_table(
        images, path, columns=["sample", "nearest", *(str(place + 2) for place in range(count - 1))]
    )
