"""Checks of the tensors of a metric, with errors of one line that names the argument."""

import torch
from torch import Tensor

from advlearn.core.checks import describe_value


def rows(name: str, value: Tensor, *, at_least: int = 1, dims: str = "(N, d)") -> Tensor:
    """Check a float tensor of the dimensions `dims`.

    Args:
        name: The argument's name.
        value: The argument.
        at_least: The smallest allowed number of rows.
        dims: The expected shape in words, such as (N,) or (N, d).

    Returns:
        The tensor, detached and in float64.

    Raises:
        TypeError: Not a tensor, or not of a floating dtype.
        ValueError: Another shape, too few rows, or a value that is not finite.
    """
    if not isinstance(value, Tensor) or not value.is_floating_point():
        raise TypeError(
            f"{name}: expected a float tensor of shape {dims}, got {describe_value(value)}"
        )
    axes = 1 if dims.endswith(",)") else dims.count(",") + 1
    if value.ndim != axes or 0 in value.shape[1:]:
        raise ValueError(
            f"{name}: expected a float tensor of shape {dims}, got {describe_value(value)}"
        )
    if value.shape[0] < at_least:
        raise ValueError(
            f"{name}: expected at least {at_least} samples, got {describe_value(value)}"
        )
    # A finite sum takes one pass, and proves that all values are finite.
    if not bool(torch.isfinite(value.sum())) and not bool(torch.isfinite(value).all()):
        count = int((~torch.isfinite(value)).sum())
        raise ValueError(
            f"{name}: expected finite values, got {count} NaN or infinite in "
            f"{describe_value(value)}"
        )
    return value.detach().double()


def pair(
    names: tuple[str, str], x: Tensor, y: Tensor, *, at_least: int = 1
) -> tuple[Tensor, Tensor]:
    """Check two sample sets (N, d) and (M, d) of one width on one device.

    Args:
        names: Names of the two arguments.
        x: First set.
        y: Second set.
        at_least: The smallest allowed number of rows of each.

    Returns:
        Both sets in float64.

    Raises:
        TypeError: Not a float tensor.
        ValueError: Another shape, different widths or devices, too few rows, or values that are not
            finite.
    """
    first, second = rows(names[0], x, at_least=at_least), rows(names[1], y, at_least=at_least)
    if first.shape[1] != second.shape[1]:
        raise ValueError(
            f"{names[1]}: expected {first.shape[1]} columns like {names[0]}, "
            f"got {describe_value(y)}"
        )
    if first.device != second.device:
        raise ValueError(
            f"{names[1]}: expected a tensor on {first.device} like {names[0]}, "
            f"got one on {second.device}"
        )
    return first, second
