"""Find operations that wait for the device, on a machine without one."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self, final

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.host_reads import COPIES_TO_HOST, waits


@final
class NoSync:
    """Raise within a block at any operation that reads a tensor's values on the host.

    ``.item()``, ``float(x)``, ``if x:``, ``.tolist()``, ``.cpu()``, ``.numpy()``, ``nonzero``,
    ``unique`` and indexing by a boolean mask wait for the device on a GPU; inside a training step
    each costs more than most kernels. The check also works on a CPU, including the backward pass,
    but does not find copies by ``.to("cpu")`` there.

    Raises:
        AssertionError: At the first such call; the message names it.

    Example:
        >>> import torch
        >>> with NoSync():
        ...     float(torch.ones(()))
        Traceback (most recent call last):
        AssertionError: no_sync: aten._local_scalar_dense waits for the device
    """

    def __enter__(self) -> Self:
        self._stack = ExitStack()
        self._stack.enter_context(_Functions())
        self._stack.enter_context(_Operators())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()


@final
class _Operators(TorchDispatchMode):
    """Refuse operators whose result depends on values on the device."""

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if waits(func, args):
            raise AssertionError(f"no_sync: {func.overloadpacket} waits for the device")
        return func(*args, **(kwargs or {}))


@final
class _Functions(TorchFunctionMode):
    """Refuse methods that copy a tensor to the host."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in COPIES_TO_HOST:
            raise AssertionError(f"no_sync: Tensor.{func.__name__} copies to the host")
        return func(*args, **(kwargs or {}))
