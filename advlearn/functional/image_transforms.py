"""Differentiable transformations of images: affine maps, shifts, boxes and colour matrices.

Every function takes one transformation per image, as tensors on the images' device, and waits for
nothing. Matrices are homogeneous: (N, 3, 3) for positions, (N, 4, 4) for colours.
"""

import torch
from torch import Tensor


def scale2d(x: Tensor, y: Tensor) -> Tensor:
    """Build matrices (N, 3, 3) that multiply columns by `x` and rows by `y`, (N,) each.

    Example:
        >>> scale2d(torch.tensor([2.0]), torch.tensor([3.0]))
        tensor([[[2., 0., 0.],
                 [0., 3., 0.],
                 [0., 0., 1.]]])
    """
    return torch.diag_embed(torch.stack([x, y, torch.ones_like(x)], 1))


def rotate2d(angle: Tensor) -> Tensor:
    """Build matrices (N, 3, 3) of rotations by `angle` (N,), in radians, from x towards y."""
    c, s, zero, one = angle.cos(), angle.sin(), torch.zeros_like(angle), torch.ones_like(angle)
    return torch.stack([c, -s, zero, s, c, zero, zero, zero, one], 1).view(-1, 3, 3)


def translate2d(x: Tensor, y: Tensor) -> Tensor:
    """Build matrices (N, 3, 3) that add `x` to columns and `y` to rows, (N,) each."""
    zero, one = torch.zeros_like(x), torch.ones_like(x)
    return torch.stack([one, zero, x, zero, one, y, zero, zero, one], 1).view(-1, 3, 3)


def warp(images: Tensor, inverse: Tensor) -> Tensor:
    r"""Resample images at affine positions, bilinearly, reflected at their edges.

    .. math:: out(q) = in(A q)

    Positions are in pixels from the centre of the image, x to the right and y downwards. It equals
    ``grid_sample`` with ``padding_mode="reflection"`` and ``align_corners=False``.

    Args:
        images: (N, C, H, W), float32 or float64.
        inverse: A, from positions of the output to positions of the input, (N, 3, 3).

    Returns:
        Images of the same shape, with gradient of any order to `images`.

    Example:
        >>> x = torch.arange(4.0).view(1, 1, 2, 2)
        >>> warp(x, rotate2d(torch.tensor([torch.pi]))).round()
        tensor([[[[3., 2.],
                  [1., 0.]]]])
    """
    n, channels, height, width = images.shape
    x = torch.arange(width, device=images.device, dtype=images.dtype) - (width - 1) / 2
    y = torch.arange(height, device=images.device, dtype=images.dtype) - (height - 1) / 2
    a = inverse[:, :2, :, None, None].to(images.dtype)
    across, down = (a[:, :, 0] * x + a[:, :, 1] * y[:, None] + a[:, :, 2]).unbind(1)
    left, right, u = _neighbours(across + (width - 1) / 2, width)
    top, bottom, v = _neighbours(down + (height - 1) / 2, height)
    flat = images.flatten(2)

    # Not grid_sample, which cannot be differentiated twice in all supported versions of PyTorch.
    def values(row: Tensor, column: Tensor) -> Tensor:
        index = (row * width + column).view(n, 1, -1).expand(-1, channels, -1)
        return flat.gather(2, index).view(images.shape)

    u, v = u[:, None].expand_as(images), v[:, None].expand_as(images)
    above = torch.lerp(values(top, left), values(top, right), u)
    below = torch.lerp(values(bottom, left), values(bottom, right), u)
    return torch.lerp(above, below, v)


def _neighbours(position: Tensor, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return the indices of the two pixels around reflected positions, and the second's weight."""
    around = (position + 0.5).remainder(2 * size)
    inside = (torch.minimum(around, 2 * size - around) - 0.5).clamp(0, size - 1)
    lower = inside.floor()
    index = lower.long()
    return index, (index + 1).clamp(max=size - 1), inside - lower


def shifted(images: Tensor, down: Tensor, right: Tensor, fill: float = 0.0) -> Tensor:
    """Shift each image by whole pixels; the uncovered border is `fill`.

    Args:
        images: (N, C, H, W).
        down: Pixels to shift downwards, int64 (N,).
        right: Pixels to shift to the right, int64 (N,).
        fill: Value of the uncovered pixels.

    Returns:
        Images of the same shape.

    Example:
        >>> shifted(torch.tensor([[[[1.0, 2.0]]]]), torch.tensor([0]), torch.tensor([1]))
        tensor([[[[0., 1.]]]])
    """
    n, channels, height, width = images.shape
    device = images.device
    rows = torch.arange(height, device=device) - down[:, None]
    columns = torch.arange(width, device=device) - right[:, None]
    each = torch.arange(n, device=device)[:, None, None, None]
    channel = torch.arange(channels, device=device)[:, None, None]
    row = rows.clamp(0, height - 1)[:, None, :, None]
    column = columns.clamp(0, width - 1)[:, None, None, :]
    covered = (rows == rows.clamp(0, height - 1))[:, :, None] & (
        columns == columns.clamp(0, width - 1)
    )[:, None, :]
    return torch.where(covered[:, None], images[each, channel, row, column], fill)


def boxes(images: Tensor, top: Tensor, left: Tensor, height: Tensor, width: Tensor) -> Tensor:
    """Mark the pixels of one box per image, cut off at the edges: bool (N, 1, H, W).

    Args:
        images: (N, C, H, W), for number, size and device.
        top: First row of the box, int64 (N,); may lie outside the image.
        left: First column of the box, int64 (N,).
        height: Rows of the box, int64 (N,).
        width: Columns of the box, int64 (N,).

    Returns:
        True inside the box.

    Example:
        >>> one = torch.tensor([1])
        >>> boxes(torch.zeros(1, 1, 2, 3), one, one, one, one * 5).int()
        tensor([[[[0, 0, 0],
                  [0, 1, 1]]]], dtype=torch.int32)
    """
    row = torch.arange(images.shape[2], device=images.device)
    column = torch.arange(images.shape[3], device=images.device)
    in_rows = (row >= top[:, None]) & (row < (top + height)[:, None])
    in_columns = (column >= left[:, None]) & (column < (left + width)[:, None])
    return (in_rows[:, :, None] & in_columns[:, None, :])[:, None]


def homogeneous(linear: Tensor, offset: Tensor | None = None) -> Tensor:
    """Build matrices (N, 4, 4) of colour maps from a part (N, 3, 3) and an offset (N,) or None."""
    matrix = torch.nn.functional.pad(linear, (0, 1, 0, 1))
    corner = torch.nn.functional.pad(torch.ones_like(linear[:, :1, :1]), (3, 0, 3, 0))
    if offset is None:
        return matrix + corner
    column = torch.nn.functional.pad(offset[:, None, None].expand(-1, 3, 1), (3, 0, 0, 1))
    return matrix + corner + column


def grey_projection(like: Tensor) -> Tensor:
    """Return the projection (3, 3) of a colour onto the grey axis (1, 1, 1)."""
    return torch.full((3, 3), 1 / 3, device=like.device, dtype=like.dtype)


def brighten(amount: Tensor) -> Tensor:
    """Build matrices (N, 4, 4) that add `amount` (N,) to all channels."""
    eye = torch.eye(3, device=amount.device, dtype=amount.dtype)
    return homogeneous(eye.expand(len(amount), 3, 3), amount)


def contrast(factor: Tensor) -> Tensor:
    """Build matrices (N, 4, 4) that multiply all channels by `factor` (N,)."""
    eye = torch.eye(3, device=factor.device, dtype=factor.dtype)
    return homogeneous(eye * factor[:, None, None])


def flip_luma(flip: Tensor) -> Tensor:
    """Build matrices (N, 4, 4) that mirror the grey part of a colour where `flip` (N,) is 1.

    Example:
        >>> (flip_luma(torch.ones(1))[0, :3, :3] @ torch.ones(3)).round()
        tensor([-1., -1., -1.])
    """
    eye = torch.eye(3, device=flip.device, dtype=flip.dtype)
    return homogeneous(eye - 2 * grey_projection(flip) * flip[:, None, None])


def rotate_hue(angle: Tensor) -> Tensor:
    """Build matrices (N, 4, 4) that rotate colours about the grey axis by `angle` (N,)."""
    eye = torch.eye(3, device=angle.device, dtype=angle.dtype)
    cross = (eye.roll(1, 0) - eye.roll(1, 1)) * 3**-0.5  # the vector product with the grey axis
    c, s = angle.cos()[:, None, None], angle.sin()[:, None, None]
    return homogeneous(c * eye + s * cross + (1 - c) * grey_projection(angle))


def saturate(factor: Tensor) -> Tensor:
    """Build matrices (N, 4, 4) that multiply the distance from grey by `factor` (N,)."""
    eye = torch.eye(3, device=factor.device, dtype=factor.dtype)
    grey = grey_projection(factor)
    return homogeneous(grey + (eye - grey) * factor[:, None, None])


def recolour(images: Tensor, colours: Tensor) -> Tensor:
    """Apply colour maps (N, 4, 4) to images (N, C, H, W).

    Images with three channels get the map itself. Other images get, in every channel, what the map
    does to the grey part of a grey colour.

    Example:
        >>> recolour(torch.zeros(1, 1, 1, 1), brighten(torch.tensor([0.5])))
        tensor([[[[0.5000]]]])
    """
    colours = colours.to(images.dtype)
    linear, offset = colours[:, :3, :3], colours[:, :3, 3]
    if images.shape[1] == 3:
        mixed = torch.einsum("nij,njhw->nihw", linear, images)
        return mixed + offset[:, :, None, None]
    gain = linear.sum((1, 2)) / 3
    return images * gain[:, None, None, None] + offset.mean(1)[:, None, None, None]
