"""Ranges of the values of images: 8-bit images are scaled, and mixed ranges are reported."""

import warnings
from collections.abc import Mapping

import torch
from torch import Tensor

_UNSCALED = 8.0  # pixels beyond this magnitude are from 0 to 255
_SLACK = 0.5  # how far a generator's values may leave [-1, 1]


def scaled(images: Tensor) -> Tensor:
    """Scale images of dtype uint8 to [-1, 1] in float32; others stay as they are.

    Example:
        >>> scaled(torch.tensor([0, 255], dtype=torch.uint8))
        tensor([-1.,  1.])
    """
    return images.float() / 127.5 - 1.0 if images.dtype == torch.uint8 else images


def check_symmetric(name: str, images: Tensor) -> None:
    """Check that images are in [-1, 1].

    Args:
        name: The argument's name.
        images: Float images.

    Raises:
        ValueError: Values far outside of [-1, 1].

    Warns:
        UserWarning: No value is negative, as in images in [0, 1].
    """
    low, high = float(images.min()), float(images.max())
    if low < -1 - _SLACK or high > 1 + _SLACK:
        raise ValueError(
            f"{name}: expected values in [-1, 1], got {low:g} to {high:g}; "
            "pass uint8 images, or scale them with x / 127.5 - 1"
        )
    if low >= 0 and high > low:
        warnings.warn(
            f"{name}: expected values in [-1, 1], got {low:g} to {high:g}; "
            "scale images in [0, 1] with 2 * x - 1",
            stacklevel=3,
        )


def check_equal_ranges(images: Mapping[str, Tensor], reference: str) -> None:
    """Check that sets of images seem to be of one range: [0, 1], [-1, 1] or 0 to 255.

    Args:
        images: Float images by the name of the argument.
        reference: Name of the set that the others must match.

    Raises:
        ValueError: One set is from 0 to 255, and another one is not.

    Warns:
        UserWarning: One set has negative values, and another one in [0, 1] has none.
    """
    bounds = {name: (float(x.min()), float(x.max())) for name, x in images.items()}
    low, high = bounds[reference]
    for name, (least, most) in bounds.items():
        wide, reference_wide = (max(-a, b) > _UNSCALED for a, b in ((least, most), (low, high)))
        found = (
            f"{name}: expected values in the range of {reference}, {low:g} to {high:g}, "
            f"got {least:g} to {most:g}; scale both to one range"
        )
        if wide != reference_wide:
            raise ValueError(found)
        if not wide and (least < -_SLACK / 10) != (low < -_SLACK / 10) and most > least:
            warnings.warn(found, stacklevel=4)
