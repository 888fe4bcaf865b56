"""Laplacian pyramid: a small image and the residual of each upsampling."""

from collections.abc import Sequence

from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate

from advlearn.nets.blocks.resolution import edges_repeated


def halved(x: Tensor) -> Tensor:
    """Blur images (N, C, H, W) by (1, 3, 3, 1) / 8 and subsample to (N, C, H / 2, W / 2).

    Example:
        >>> import torch
        >>> halved(torch.ones(1, 1, 4, 4)).shape
        torch.Size([1, 1, 2, 2])
    """
    # Three means of two neighbours have the weights of the blur.
    return avg_pool2d(avg_pool2d(avg_pool2d(edges_repeated(x), 2, 1), 2, 1), 2)


def doubled(x: Tensor) -> Tensor:
    """Upsample images (N, C, H, W) to (N, C, 2 H, 2 W) with the same weights.

    Example:
        >>> import torch
        >>> doubled(torch.ones(1, 1, 2, 2)).shape
        torch.Size([1, 1, 4, 4])
    """
    return interpolate(x, scale_factor=2, mode="bilinear")


def laplacian(x: Tensor, levels: int) -> list[Tensor]:
    r"""Decompose images into a Laplacian pyramid.

    .. math:: I_0 = x, \qquad I_{k+1} = d(I_k), \qquad h_k = I_k - u(I_{k+1})

    Args:
        x: Images (N, C, H, W) whose sides 2^K divides.
        levels: Number of halvings, K.

    Returns:
        The residuals h_0 to h_{K-1}, the finest first, then the small image I_K.

    Raises:
        ValueError: The sides cannot be halved that often.

    Example:
        >>> import torch
        >>> [tuple(part.shape[2:]) for part in laplacian(torch.zeros(1, 1, 28, 28), 2)]
        [(28, 28), (14, 14), (7, 7)]

    Reference: Burt and Adelson, "The Laplacian Pyramid as a Compact Image Code", 1983; Denton et
        al. 2015, section 2.2.

    Deviations: a kernel of four weights instead of five, with which the grids of two levels have
        the same centre.
    """
    if levels < 0 or x.shape[-1] % 2**levels or x.shape[-2] % 2**levels:
        raise ValueError(
            f"levels: expected a number of times that {tuple(x.shape[-2:])} can be halved, "
            f"got {levels}"
        )
    parts = []
    for _ in range(levels):
        small = halved(x)
        parts.append(x - doubled(small))
        x = small
    return [*parts, x]


def composed(parts: Sequence[Tensor]) -> Tensor:
    r"""Reconstruct images from the pyramid that `laplacian` returns.

    .. math:: I_k = u(I_{k+1}) + h_k

    Example:
        >>> import torch
        >>> x = torch.rand(1, 3, 8, 8)
        >>> torch.allclose(composed(laplacian(x, 2)), x, atol=1e-6)
        True
    """
    *residuals, x = parts
    for residual in reversed(residuals):
        x = doubled(x) + residual
    return x
