"""Convert users' uint8 images, arrays and integer labels to the tensors of an `ArrayDataset`."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from advlearn.core.checks import check_array, describe_value

STANDARDISED_LIMIT = 8.0
"""Float images beyond this magnitude are refused as unscaled (0 to 255)."""

MOST_CLASSES = 2**20
"""Class indices must be smaller: memory is taken for each class up to the largest index."""


def samples(data: Any) -> Tensor:
    """Convert a batch of samples to float32, and uint8 images to channel-first in [-1, 1].

    uint8 images may be (N, H, W), (N, C, H, W) or (N, H, W, C) with C 1 or 3; value v becomes v /
    127.5 - 1. Float data of any precision is converted to float32 and not scaled.

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
            "data: expected floats (N, ...) or uint8 images (N, C, H, W), "
            f"got {describe_value(data)}"
        )
    if x.ndim == 4:
        _check_float_images(x)
    return x.to(torch.float32)


def labels(values: Any, argument: str = "labels") -> Tensor:
    """Convert class indices to int64.

    Args:
        values: A tensor, an array or a list of ints (N,).
        argument: The argument's name in errors.

    Returns:
        int64 (N,).

    Raises:
        TypeError: Values that are not integers of shape (N,).
        ValueError: A value of `MOST_CLASSES` or more, such as an identifier.

    Example:
        >>> labels([0, 2, 1])
        tensor([0, 2, 1])
    """
    y = _tensor(
        np.asarray(values) if isinstance(values, (list, tuple)) else values, argument
    ).detach()
    if y.is_floating_point() or y.is_complex() or y.ndim != 1:
        raise TypeError(f"{argument}: expected integers of shape (N,), got {describe_value(y)}")
    classes = y.to(torch.int64)
    largest = int(classes.max()) if len(classes) else 0
    if largest >= MOST_CLASSES:
        raise ValueError(
            f"{argument}: expected class indices below {MOST_CLASSES}, got {largest}; number the "
            "classes from 0, as np.unique(values, return_inverse=True)[1] does"
        )
    return classes


def finite(x: Tensor) -> Tensor:
    """Return samples (N, ...) on the host, if all of their values are finite.

    Raises:
        ValueError: NaN or infinity.

    Example:
        >>> finite(torch.zeros(2, 3)).shape
        torch.Size([2, 3])
    """
    bad = int((~torch.isfinite(x).flatten(1).all(1)).sum())
    if bad:
        raise ValueError(
            f"data: expected finite values, got NaN or infinity in {bad} of {len(x)} samples; "
            "remove or fill them in the data set"
        )
    return x


def image(picture: Any) -> Any:
    """Convert a PIL image to a uint8 array (H, W) or (H, W, 3); return anything else unchanged."""
    if not hasattr(picture, "getbands"):
        return picture
    return np.array(picture.convert("L" if picture.mode in ("1", "L") else "RGB"))


def _tensor(data: Any, argument: str = "data") -> Tensor:
    check_array(argument, data)
    if isinstance(data, Tensor):
        return data
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiub":
        # A copy: the array may be read-only, strided backwards or in another byte order.
        return torch.from_numpy(np.array(data, dtype=data.dtype.newbyteorder("="), order="C"))
    raise TypeError(f"{argument}: expected a tensor or a numeric array, got {describe_value(data)}")


def _scaled(x: Tensor) -> Tensor:
    if x.ndim == 3:
        x = x.unsqueeze(1)
    elif x.ndim == 4:
        x = x.permute(0, 3, 1, 2) if _channel_last(x) else x
    else:
        raise TypeError(
            "data: expected uint8 images (N, H, W), (N, C, H, W) or (N, H, W, C), "
            f"got {describe_value(x)}"
        )
    return x.to(torch.float32).contiguous().div_(127.5).sub_(1.0)


def _channel_last(x: Tensor) -> bool:
    return x.shape[3] in (1, 3) and x.shape[1] not in (1, 3)


def _check_float_images(x: Tensor) -> None:
    if _channel_last(x) and x.shape[1] == x.shape[2]:
        raise ValueError(
            f"data: expected float images channel-first (N, C, H, W), got {describe_value(x)}"
        )
    if x.shape[1] not in (1, 3) or x.numel() == 0:
        return
    low, high = (float(value) for value in x.aminmax())
    if max(-low, high) > STANDARDISED_LIMIT:
        raise ValueError(
            f"data: expected images in [-1, 1], got values from {low:g} to {high:g}; "
            "scale them or pass uint8"
        )
