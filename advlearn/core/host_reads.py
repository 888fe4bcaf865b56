"""Find what a CUDA graph cannot capture in a step: reads, copies and random numbers of the host."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

import random
import sys
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self, cast, final

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

# Python operations on a tensor that use no operator of the dispatcher.
COPIES_TO_HOST = (Tensor.cpu, Tensor.numpy, Tensor.tolist, Tensor.__array__)
WAITS = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
_COPYING = (torch.ops.aten.copy_, torch.ops.aten._foreach_copy_, torch.ops.aten._to_copy)
_TORCH = str(Path(torch.__file__).parent)


def waits(func: torch._ops.OpOverload, args: Sequence[Any]) -> bool:
    """Return whether the result of an operator depends on values on the device."""
    return any(tag in func.tags for tag in WAITS) and not _indexes_by_numbers(func, args)


def numbers(scalars: dict[str, Tensor]) -> dict[str, float]:
    """Return scalars as numbers, with one wait for the device."""
    if not scalars:
        return {}
    values = torch.stack([value.double() for value in scalars.values()]).tolist()
    return dict(zip(scalars, values, strict=True))


@final
class HostReads:
    """Find the first operation in a block that a CUDA graph cannot capture.

    These are reads of values of tensors on the device, copies between the host and the device,
    tensors made from host values, and random numbers that do not come from the default generator
    of the device. On a CPU the copies cannot be found.

    Args:
        device: The device of the step.
        generators: Generators that a graph of the step registers, whose draws it repeats.

    Attributes:
        found: The first finding, or None.

    Example:
        >>> with HostReads(torch.device("cpu")) as reads:
        ...     number = torch.ones(()).item()
        >>> reads.found.partition(" at ")[0]
        'aten._local_scalar_dense reads a value on the host'
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        self.device = device
        self.generators = list(generators)
        self.found: str | None = None

    def __enter__(self) -> Self:
        self._states = self._host_states()
        self._stack = ExitStack()
        self._stack.enter_context(_Functions(self))
        self._stack.enter_context(_Operators(self))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()
        for name, state in self._host_states().items():
            if self.found is None and not _equal(state, self._states.get(name)):
                self.found = f"the step draws random numbers from {name}"

    def note(self, what: str) -> None:
        """Keep a finding and the line of code that caused it, unless there is one already."""
        if self.found is None:
            self.found = f"{what} at {_place()}"

    def is_registered(self, generator: torch.Generator | None) -> bool:
        """Return whether a graph can repeat the draws of a generator; None is the default one."""
        # An operator gets another Python object for the same generator.
        own = {known._cdata for known in self.generators}  # pyright: ignore[reportAttributeAccessIssue]
        return generator is None or generator._cdata in own  # pyright: ignore[reportAttributeAccessIssue]

    def on_device(self, values: Any) -> bool:
        """Return whether one of the tensors in `values` is on the device of the step."""
        return any(x.device.type == self.device.type for x in _tensors(values))

    def _host_states(self) -> dict[str, Any]:
        states: dict[str, Any] = {"Python's random": random.getstate()}
        numpy = sys.modules.get("numpy")
        if numpy is not None:
            states["numpy.random"] = numpy.random.get_state()
        if self.device.type != "cpu":
            states["torch's generator of the CPU"] = torch.get_rng_state()
        return states


@final
class _Operators(TorchDispatchMode):
    """Note operators that a graph cannot hold."""

    def __init__(self, reads: HostReads) -> None:
        super().__init__()
        self.reads = reads

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named, reads = kwargs or {}, self.reads
        result = func(*args, **named)
        if reads.found is None:
            name = str(func.overloadpacket)
            if waits(func, args) and reads.on_device(args):
                reads.note(f"{name} reads a value on the host")
            elif func.overloadpacket in _COPYING and _crosses((args, result)):
                reads.note(f"{name} copies between host and device")
            elif func.overloadpacket is torch.ops.aten.lift_fresh and args[0].ndim:
                reads.note("a tensor is made from values on the host")
            elif not reads.is_registered(named.get("generator")):
                reads.note(f"{name} draws from a private generator")
        return result


@final
class _Functions(TorchFunctionMode):
    """Note methods that copy a tensor to the host."""

    def __init__(self, reads: HostReads) -> None:
        super().__init__()
        self.reads = reads

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        if func in COPIES_TO_HOST and self.reads.on_device(args):
            self.reads.note(f"Tensor.{func.__name__} copies to the host")
        return func(*args, **(kwargs or {}))


def _indexes_by_numbers(func: torch._ops.OpOverload, args: Sequence[Any]) -> bool:
    """Return whether this is indexing without a mask, so that the shape is known."""
    if func.overloadpacket is not torch.ops.aten.index:
        return False
    indices = cast(Sequence[Tensor | None], args[1])
    return all(i is None or i.dtype not in (torch.bool, torch.uint8) for i in indices)


def _tensors(values: Any) -> list[Tensor]:
    return [x for x in pytree.tree_leaves(values) if isinstance(x, Tensor)]


def _crosses(values: Any) -> bool:
    return len({x.device.type for x in _tensors(values)}) > 1


def _equal(state: Any, before: Any) -> bool:
    if isinstance(state, Tensor):
        return isinstance(before, Tensor) and torch.equal(state, before)
    return repr(state) == repr(before)


def _place() -> str:
    """Return file and line of the innermost code outside of torch and this file."""
    frames = (
        f"{Path(frame.filename).name}, line {frame.lineno}"
        for frame in reversed(traceback.extract_stack())
        if frame.filename != __file__ and not frame.filename.startswith(_TORCH)
    )
    return next(frames, "an unknown line")
