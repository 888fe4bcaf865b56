"""Interface of data in memory."""

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Columns(Protocol):
    """Data in memory: tensors with one row per sample."""

    @property
    def columns(self) -> tuple[Tensor, ...]: ...
    def __len__(self) -> int: ...
