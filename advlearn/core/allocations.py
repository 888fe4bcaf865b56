"""Bound the memory that networks take while they are built."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

SMALLEST_BOUND = 2**24
"""Numbers that building the networks of any file may take, besides 4 for each of its bytes."""

_PER_OPERATION = 1000  # so that a network of many empty layers is bounded, too


class TooLargeError(ValueError):
    """Raised before an operation exceeds the bound."""


def bound_of(path: Path) -> int:
    """Return the numbers that building the networks of a file may take: a few for each weight."""
    return SMALLEST_BOUND + 4 * path.stat().st_size


@final
class bounded_allocations(TorchDispatchMode):
    """Raise an error before the tensors made inside a block have more numbers than a bound.

    Temporary tensors count as well, so a bound needs room for several times the parameters.

    Args:
        most: The largest sum of the elements of all tensors made inside the block.

    Raises:
        TooLargeError: The block would make more.

    Example:
        >>> with bounded_allocations(100_000):
        ...     torch.nn.Linear(10**6, 10**6)
        Traceback (most recent call last):
        ...
        advlearn.core.allocations.TooLargeError: tensors of more than 100000 numbers
    """

    def __init__(self, most: int) -> None:
        super().__init__()
        self.most = most
        self._made = 0

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        given = dict(kwargs or {})
        if any(argument.name == "device" for argument in func._schema.arguments):
            self._count(self._size(func, args, given))
            return func(*args, **given)
        out = func(*args, **given)
        # A view or an operation in place makes no tensor.
        makes = isinstance(out, Tensor) and not any(r.alias_info for r in func._schema.returns)
        self._count(out.numel() if makes else 0)
        return out

    def _size(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
        """Return the elements of the result of a function with a device, without its memory."""
        trial = {**kwargs, "device": torch.device("meta")}
        trial.pop("generator", None)
        trial.pop("pin_memory", None)
        try:
            return func(*args, **trial).numel()
        except (NotImplementedError, RuntimeError, TypeError):  # it has no form without memory
            return 0

    def _count(self, elements: int) -> None:
        self._made += elements + _PER_OPERATION
        if self._made > self.most:
            raise TooLargeError(f"tensors of more than {self.most} numbers")
