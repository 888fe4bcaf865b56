"""A device on a machine that has none: its tensors say that they are on it, and the CPU computes their numbers.

A GPU refuses an operation on tensors of its own and of the host's together, and a generator of the
host's; so does this one. What is copied between the two is counted, since a GPU's user waits for
it. Gradients, fused optimisers and checkpoints work as on any device.
"""

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

# The one that torch leaves free for a backend of the user's own.
NAME = "privateuseone"
DEVICE = torch.device(NAME, 0)
ROOT = f"{Path(__file__).parents[2]}/"
# An index may stay on the host, where the tensor that is indexed is on a device.
INDEXING = (torch.ops.aten.index, torch.ops.aten.index_put, torch.ops.aten.index_put_)
COPYING = (torch.ops.aten.copy_, torch.ops.aten._foreach_copy_)
READING = (torch.ops.aten._local_scalar_dense, torch.ops.aten.equal)


@final
class _Backend(_DummyBackendModule):
    """What torch asks of a backend besides operators."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16]

    # The CPU draws its random numbers.
    def get_rng_state(self, device: Any = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: Any = None) -> None:
        torch.set_rng_state(state)


# Before the first backward pass of the process, which makes a thread for each device that there is.
_setup_privateuseone_for_python_backend(rename=NAME, backend_module=_Backend())


@final
class OnDevice(Tensor):
    """A tensor on the second device, and the one on the CPU that holds its numbers."""

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
    """A generator of random numbers on any device, this one among them."""

    # By address: an operator is handed another Python object for the same generator.
    here: ClassVar[dict[int, Self]] = {}

    def __new__(cls, device: torch.device | str = "cpu") -> Self:
        on = torch.device(device)
        made = super().__new__(cls, "cpu" if on.type == NAME else on)
        if on.type == NAME:
            cls.here[made._cdata] = made
        return made

    @property
    def device(self) -> torch.device:
        return DEVICE if self._cdata in self.here else super().device


@final
class SecondDevice(TorchDispatchMode):
    """A context in which there is a second device, `DEVICE`.

    Attributes:
        waits: How often numbers went from the one device to the other, by file and function of this
            library.
    """

    def __init__(self) -> None:
        super().__init__()
        self.waits: Counter[str] = Counter()

    def __enter__(self) -> Self:
        # As torch's own FakeTensorMode does, so that `torch.tensor(..., device=...)` comes here as
        # a copy.
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


_ACTIVE: list[SecondDevice] = []


def _compute(func: torch._ops.OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Run an operator on the CPU, and put the results where a real device would."""
    tensors = [x for x in pytree.tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
    here = [x for x in tensors if isinstance(x, OnDevice)]
    asked = kwargs.get("device")
    wanted = bool(here) if asked is None else torch.device(asked).type == NAME
    if not here and not wanted:
        return func(*args, **kwargs)
    copies = func.overloadpacket in COPYING or func.overloadpacket is torch.ops.aten._to_copy
    if not copies:
        _check(func, args, tensors, kwargs.get("generator"))
    if (
        (copies and len(here) < len(tensors))
        or (here and not wanted)
        or func.overloadpacket in READING
    ):
        _count()
    found = func(*pytree.tree_map(_host, args), **pytree.tree_map(_host, kwargs))
    # What an operator changes in place it returns, and its caller expects the very same object.
    same = {id(_host(x)): x for x in tensors}
    return pytree.tree_map(_placed(same), found) if wanted else found


def _check(
    func: torch._ops.OpOverload, args: tuple[Any, ...], tensors: list[Tensor], generator: Any
) -> None:
    indices = args[1] if func.overloadpacket in INDEXING and isinstance(args[0], OnDevice) else ()
    # A number on the host may meet any tensor.
    strange = [
        x
        for x in tensors
        if not isinstance(x, OnDevice) and x.ndim and not any(x is i for i in indices)
    ]
    if strange:
        raise RuntimeError(
            f"{func}: tensors on {NAME} and on the CPU, the latter of {[tuple(x.shape) for x in strange]}"
        )
    if generator is not None and generator._cdata not in Generator.here:
        raise RuntimeError(f"{func}: a generator on the CPU for tensors on {NAME}")


def _host(x: Any) -> Any:
    if isinstance(x, OnDevice):
        return x.numbers
    return torch.device("cpu") if isinstance(x, torch.device) else x


def _placed(same: dict[int, Tensor]) -> Callable[[Any], Any]:
    return lambda x: same[id(x)] if id(x) in same else OnDevice(x) if isinstance(x, Tensor) else x


def _count() -> None:
    frames = ((f.filename.removeprefix(ROOT), f.name) for f in reversed(traceback.extract_stack()))
    # A comprehension has a frame of its own in some versions of Python only.
    of_ours = (
        f"{file} {name}"
        for file, name in frames
        if file.startswith(("advlearn/", "envs/")) and name[0] != "<"
    )
    where = next(of_ours, "?").removeprefix("envs/")
    for active in _ACTIVE:
        active.waits[where] += 1


def devices(*modules: nn.Module) -> set[torch.device]:
    """Where parameters and buffers are."""
    return {t.device for module in modules for t in [*module.parameters(), *module.buffers()]}
