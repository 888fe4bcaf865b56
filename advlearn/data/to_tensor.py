"""Turn what users hold (uint8 images, arrays, integer labels) into the tensors a `ArrayDataset` is made of."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from advlearn.data.array_dataset import show

STANDARDISED_LIMIT = 8.0
"""Float images beyond this magnitude are taken for unscaled ones (0 to 255), not for standardised ones."""


def samples(data: Any) -> Tensor:
    """Convert a batch of samples to float32, and uint8 images to channel-first in [-1, 1].

    uint8 images may be (N, H, W), (N, C, H, W) or (N, H, W, C) with C 1 or 3; value v becomes v /
    127.5 - 1. Float data of any width is taken as it is, in float32.

    Args:
        data: Tensor or numpy array (N, ...), floating or uint8.

    Returns:
        Samples, float32 (N, ...).

    Raises:
        TypeError: Neither floating data nor uint8 images.
        ValueError: Float images that are channel-last or not scaled.

    Example:
        >>> samples(np.full((2, 4, 4, 3), 255, dtype=np.uint8)).shape
        torch.Size([2, 3, 4, 4])
    """
    x = _tensor(data).detach()
    if x.dtype == torch.uint8:
        return _scaled(x)
    if not x.is_floating_point() or x.ndim < 2:
        raise TypeError(
            f"data: expected floats (N, ...) or uint8 images (N, C, H, W), got {show(data)}"
        )
    if x.ndim == 4:
        _check_float_images(x)
    return x.to(torch.float32)


def labels(values: Any, argument: str = "labels") -> Tensor:
    """Convert class indices (a tensor, an array or a list of ints) to int64; errors name the `argument`.

    Example:
        >>> labels([0, 2, 1])
        tensor([0, 2, 1])
    """
    y = _tensor(
        np.asarray(values) if isinstance(values, (list, tuple)) else values, argument
    ).detach()
    if y.is_floating_point() or y.is_complex() or y.ndim != 1:
        raise TypeError(f"{argument}: expected integers of shape (N,), got {show(y)}")
    return y.to(torch.int64)


def image(picture: Any) -> Any:
    """Turn a PIL image into a uint8 array (H, W) or (H, W, 3); return anything else as it is."""
    if not hasattr(picture, "getbands"):
        return picture
    return np.array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))


def _tensor(data: Any, argument: str = "data") -> Tensor:
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiub":
        # A copy: the array may be read-only, strided backwards or in another byte order.
        return torch.from_numpy(np.array(data, dtype=data.dtype.newbyteorder("="), order="C"))
    raise TypeError(f"{argument}: expected a tensor or a numeric array, got {show(data)}")


def _scaled(x: Tensor) -> Tensor:
    if x.ndim == 3:
        x = x.unsqueeze(1)
    elif x.ndim == 4:
        x = x.permute(0, 3, 1, 2) if _channel_last(x) else x
    else:
        raise TypeError(
            f"data: expected uint8 images (N, H, W), (N, C, H, W) or (N, H, W, C), got {show(x)}"
        )
    return x.to(torch.float32).contiguous().div_(127.5).sub_(1.0)


def _channel_last(x: Tensor) -> bool:
    return x.shape[3] in (1, 3) and x.shape[1] not in (1, 3)


def _check_float_images(x: Tensor) -> None:
    if _channel_last(x) and x.shape[1] == x.shape[2]:
        raise ValueError(f"data: expected float images channel-first (N, C, H, W), got {show(x)}")
    if x.shape[1] not in (1, 3) or x.numel() == 0:
        return
    low, high = (float(value) for value in x.aminmax())
    if max(-low, high) > STANDARDISED_LIMIT:
        raise ValueError(
            f"data: expected images in [-1, 1], got values from {low:g} to {high:g}; scale or pass uint8"
        )
