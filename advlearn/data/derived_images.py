"""Images derived from images: line drawings, grey, small, noisy and incomplete ones."""

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, pad

from advlearn.core.arguments import Count, NonNegative, Seed, checked

_ONE_LEVEL = 8 / 255
"""Sobel's response to a step of one grey level in 255; smaller ones are rounding errors."""
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601


@checked
def edges(images: Tensor, threshold: float = 0.3) -> Tensor:
    """Draw the outlines of images as white lines of one pixel on black.

    A pixel is on a line if its Sobel gradient is above `threshold` of the image's largest and no
    smaller than that of its two neighbours across the edge.

    Args:
        images: Float images (N, 1 or 3, H, W).
        threshold: Fraction of the largest gradient of an image.

    Returns:
        Images of the values -1 and 1, float32 (N, 1, H, W).

    Raises:
        ValueError: Images of another shape.

    Example:
        >>> step = torch.cat([-torch.ones(1, 1, 4, 3), torch.ones(1, 1, 4, 3)], 3)
        >>> edges(step)[0, 0, 0]
        tensor([-1., -1.,  1., -1., -1., -1.])

    Reference: Canny, "A Computational Approach to Edge Detection", 1986.

    Deviations: no smoothing except Sobel's, one threshold instead of two.
    """
    return torch.cat([_edges(part, threshold) for part in images.split(10_000)])


@checked
def grey(images: Tensor) -> Tensor:
    """Compute the luma of colour images (ITU-R BT.601).

    Args:
        images: Float images (N, 3, H, W), or grey ones (N, 1, H, W), which are returned unchanged.

    Returns:
        Grey images (N, 1, H, W).

    Raises:
        ValueError: Images of another shape.

    Example:
        >>> grey(torch.ones(2, 3, 4, 4)).shape
        torch.Size([2, 1, 4, 4])
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images: expected (N, 1 or 3, H, W), got {tuple(images.shape)}")
    if images.shape[1] == 1:
        return images
    return (images * images.new_tensor(_GREY)[:, None, None]).sum(1, keepdim=True)


@checked
def small(images: Tensor, factor: Count = 4) -> Tensor:
    """Reduce the sides of images by a factor; each pixel is the mean of those it replaces.

    Args:
        images: Float images (N, C, H, W).
        factor: Divisor of both sides.

    Returns:
        Images (N, C, H / factor, W / factor).

    Raises:
        ValueError: Images of another shape, or sides that `factor` does not divide.

    Example:
        >>> small(torch.zeros(2, 3, 32, 32)).shape
        torch.Size([2, 3, 8, 8])
    """
    if images.ndim != 4 or images.shape[2] % factor or images.shape[3] % factor:
        raise ValueError(
            f"images: expected (N, C, H, W) with sides that {factor} divides, "
            f"got {tuple(images.shape)}"
        )
    return avg_pool2d(images, factor)


@checked
def noisy(images: Tensor, deviation: NonNegative = 0.5, *, seed: Seed = 0) -> Tensor:
    """Add normal noise to images, and clip them to [-1, 1].

    Args:
        images: Float images (N, C, H, W) in [-1, 1].
        deviation: Standard deviation of the noise.
        seed: Seed of the noise.

    Returns:
        Images (N, C, H, W).

    Example:
        >>> noisy(torch.ones(1, 1, 2, 2), deviation=0).flatten().tolist()
        [1.0, 1.0, 1.0, 1.0]
    """
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed))
    return (images + deviation * noise.to(images)).clamp(-1, 1)


@checked
def with_hole(images: Tensor, *, seed: Seed = 0) -> Tensor:
    """Cut a rectangle of half the sides out of each image, and mark the pixels that are left.

    Args:
        images: Float images (N, C, H, W), of at least 2 x 2 pixels.
        seed: Seed of the places.

    Returns:
        Images (N, C + 1, H, W): the pixels, 0 in the hole; the last channel is 1 where a pixel is
        known and -1 in the hole.

    Raises:
        ValueError: Images of another shape.

    Example:
        >>> with_hole(torch.ones(1, 1, 2, 2)).sum(dim=(2, 3)).tolist()
        [[3.0, 2.0]]
    """
    if images.ndim != 4 or min(images.shape[2:]) < 2:
        raise ValueError(
            f"images: expected (N, C, H, W) of at least 2 x 2 pixels, got {tuple(images.shape)}"
        )
    generator = torch.Generator().manual_seed(seed)
    inside = []
    for side in images.shape[2:]:
        start = torch.randint(side - side // 2 + 1, (len(images), 1), generator=generator)
        place = torch.arange(side) - start
        inside.append((place >= 0) & (place < side // 2))
    hole = (inside[0][:, :, None] & inside[1][:, None, :])[:, None].to(images.device)
    known = 1 - 2 * hole.to(images.dtype)
    return torch.cat([images.masked_fill(hole, 0.0), known], 1)


def _edges(images: Tensor, threshold: float) -> Tensor:
    sobel = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    right, down = conv2d(
        pad(grey(images), (1, 1, 1, 1), "replicate"), torch.stack([sobel, sobel.T])[:, None]
    ).unbind(1)
    steep = torch.hypot(right, down)
    # Across the edge, to the nearest of four directions: horizontal, falling, vertical, rising.
    across = (torch.atan2(down, right) / (torch.pi / 4)).round().long().remainder(4)
    around = pad(steep[:, None], (1, 1, 1, 1))[:, 0]
    height, width = steep.shape[1:]
    ridge = torch.zeros_like(steep, dtype=torch.bool)
    for k, (dy, dx) in enumerate(((0, 1), (1, 1), (1, 0), (1, -1))):
        ahead, behind = (around[:, 1 + s * dy :, 1 + s * dx :][:, :height, :width] for s in (1, -1))
        # Of two equal neighbours only one is on the line.
        ridge |= (across == k) & (steep >= ahead) & (steep > behind)
    line = ridge & (steep > threshold * steep.amax((1, 2), keepdim=True).clamp(min=_ONE_LEVEL))
    return 2 * line[:, None].to(images.dtype) - 1
