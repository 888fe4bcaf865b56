"""Define a second device for machines without one; the CPU computes for it.

A GPU refuses an operation that mixes its tensors with tensors on the host or with a generator on
the host; so does this device. It counts copies between the two, because each synchronises a GPU.
Gradients, fused optimisers and checkpoints work as on any device.

`ADVLEARN_TEST_DEVICE=cuda` runs the tests on a real device instead, where no copies are counted.
"""

import os
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Self, cast, final

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import (
    _DummyBackendModule,
    _setup_privateuseone_for_python_backend,
)

REAL = os.environ.get("ADVLEARN_TEST_DEVICE")
# The name that torch reserves for a user's backend.
NAME = torch.device(REAL).type if REAL else "privateuseone"
DEVICE = torch.empty(0, device=REAL).device if REAL else torch.device(NAME, 0)
ROOT = f"{Path(__file__).parents[2]}/"
# An index may stay on the host if the indexed tensor is on a device.
INDEXING = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)
COPYING = (torch.ops.aten.copy_, torch.ops.aten._foreach_copy_)
READING = (torch.ops.aten._local_scalar_dense, torch.ops.aten.equal)


@final
class _Backend(_DummyBackendModule):
    """The functions that torch requires of a backend in addition to operators."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    # The CPU draws its random numbers.
    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)


# Before the first backward pass of the process, which starts a thread for each device.
if not REAL:
    _setup_privateuseone_for_python_backend(rename=NAME, backend_module=_Backend())


@final
class OnDevice(Tensor):
    """A tensor on the second device, with the CPU tensor that holds its values."""

    numbers: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, numbers: Tensor) -> Self:
        layout = {"strides": numbers.stride(), "storage_offset": numbers.storage_offset()}
        wrapper = cast(Any, Tensor)._make_wrapper_subclass
        return wrapper(cls, numbers.shape, dtype=numbers.dtype, device=DEVICE, **layout)

    def __init__(self, numbers: Tensor) -> None:
        self.numbers = numbers

    def __repr__(self) -> str:
        return f"OnDevice({self.numbers!r})"

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.numbers.__reduce_ex__(protocol)

    def tolist(self) -> Any:
        _count()
        return self.numbers.tolist()

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


@final
class Generator(torch.Generator):
    """A random number generator on any device, including the second one."""

    # By address: an operator gets another Python object for the same generator.
    on_device: ClassVar[dict[int, Self]] = {}

    def __new__(cls, device: torch.device | str = "cpu") -> Self:
        on = torch.device(device)
        generator = super().__new__(cls, "cpu" if on.type == NAME else on)
        if on.type == NAME:
            cls.on_device[generator._cdata] = generator
        return generator

    @property
    def device(self) -> torch.device:
        return DEVICE if self._cdata in self.on_device else super().device


@final
class SecondDevice(TorchDispatchMode):
    """A context in which the second device, `DEVICE`, exists.

    Attributes:
        waits: How often values were copied between the devices, by file and function of this
            library.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __enter__(self) -> Self:
        # As torch's own FakeTensorMode does, so that `torch.tensor(..., device=...)` is dispatched
        # here as a copy.
        self._before = torch._C._only_lift_cpu_tensors()
        torch._C._set_only_lift_cpu_tensors(True)
        self._generator, torch.Generator = torch.Generator, Generator
        _ACTIVE.append(self)
        return super().__enter__()

    def __exit__(self, *error: Any) -> None:
        _ACTIVE.remove(self)
        torch.Generator = self._generator
        torch._C._set_only_lift_cpu_tensors(self._before)
        super().__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _compute(func, args, kwargs or {})


@final
class RealDevice:
    """Stand for `SecondDevice` on a real device.

    Attributes:
        waits: Always empty.
    """

    def __init__(self) -> None:
        self.waits: Counter[str] = Counter()


_ACTIVE: list[SecondDevice] = []


def _compute(func: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operator on the CPU, and put the results where a real device would."""
    tensors = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    on_device = [x for x in tensors if isinstance(x, OnDevice)]
    device = kwargs.get("device")
    runs_here = bool(on_device) if device is None else torch.device(device).type == NAME
    if not on_device and not runs_here:
        return func(*args, **kwargs)
    copies = func.overloadpacket in COPYING or func.overloadpacket is torch.ops.aten._to_copy
    if not copies:
        _check(func, args, tensors, kwargs.get("generator"))
    if (
        (copies and len(on_device) < len(tensors))
        or (on_device and not runs_here)
        or func.overloadpacket in READING
    ):
        _count()
    found = func(*pytree.tree_map(_host, args), **pytree.tree_map(_host, kwargs))
    # An in-place operator returns its argument, and its caller expects the same object.
    same = {id(_host(x)): x for x in tensors}
    return pytree.tree_map(_placed(same), found) if runs_here else found


def _check(
    func: torch._ops.OpOverload, args: tuple[Any, ...], tensors: list[Tensor], generator: Any
) -> None:
    indices = args[1] if func.overloadpacket in INDEXING and isinstance(args[0], OnDevice) else ()
    # A scalar on the host may be combined with any tensor.
    on_host = [
        x
        for x in tensors
        if not isinstance(x, OnDevice) and x.ndim and not any(x is i for i in indices)
    ]
    if on_host:
        raise RuntimeError(
            f"{func}: tensors on {NAME} and on the CPU, the latter of "
            f"{[tuple(x.shape) for x in on_host]}"
        )
    if generator is not None and generator._cdata not in Generator.on_device:
        raise RuntimeError(f"{func}: a generator on the CPU for tensors on {NAME}")


def _host(x: Any) -> Any:
    if isinstance(x, OnDevice):
        return x.numbers
    return torch.device("cpu") if isinstance(x, torch.device) else x


def _placed(same: dict[int, Tensor]) -> Callable[[Any], Any]:
    return lambda x: same[id(x)] if id(x) in same else OnDevice(x) if isinstance(x, Tensor) else x


def _count() -> None:
    frames = ((f.filename.removeprefix(ROOT), f.name) for f in reversed(traceback.extract_stack()))
    # A comprehension has its own frame only in some versions of Python.
    library_frames = (
        f"{file} {name}"
        for file, name in frames
        if file.startswith(("advlearn/", "envs/")) and name[0] != "<"
    )
    where = next(library_frames, "?").removeprefix("envs/")
    for active in _ACTIVE:
        active.waits[where] += 1


def devices(*modules: nn.Module) -> set[torch.device]:
    """Return the devices of parameters and buffers."""
    return {t.device for module in modules for t in [*module.parameters(), *module.buffers()]}
