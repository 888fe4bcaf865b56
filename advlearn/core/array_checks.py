"""Check that the values of a user's array or tensor can be read."""

from typing import Any, cast

from advlearn.core.checks import check_array


def check_dense(name: str, value: object) -> None:
    """Raise if the values of an array or tensor are hidden, complex or not in plain memory.

    Args:
        name: The argument's name.
        value: Any object; only arrays and tensors are looked at.

    Raises:
        ValueError: `check_array` refuses `value`, or it is a sparse, nested or quantized tensor, or
            one on the device meta.

    Example:
        >>> import torch
        >>> check_dense("data", torch.ones(2).to_sparse())
        Traceback (most recent call last):
        ValueError: data: expected a dense tensor, got a sparse one; pass data.to_dense()
    """
    check_array(name, value)
    tensor = cast(Any, value)
    if getattr(tensor, "is_nested", False) is True:
        raise ValueError(
            f"{name}: expected a dense tensor, got a nested one; pass samples of one shape"
        )
    if str(getattr(tensor, "layout", "")).startswith("torch.sparse"):
        raise ValueError(
            f"{name}: expected a dense tensor, got a sparse one; pass {name}.to_dense()"
        )
    if getattr(tensor, "is_quantized", False) is True:
        raise ValueError(
            f"{name}: expected a dense tensor, got a quantized one; pass {name}.dequantize()"
        )
    if getattr(tensor, "is_meta", False) is True:
        raise ValueError(
            f"{name}: expected a tensor with values, got one on the device meta; pass its values"
        )
