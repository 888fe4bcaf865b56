"""Replacement of CUDA graphs on any device: the operators of a step, computed again in their order.

A replay computes what a CUDA graph would: the same operators on the same memory, with the numbers
of the recorded step, and no Python. So a CPU shows whether replayed training equals eager training.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import Any, final

import torch
from torch import Tensor
from torch._C import _distributed_c10d as c10d
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.graphs import recording
from advlearn.core.host_reads import waits


@final
class OperatorGraphs:
    """Record the operators of steps, in place of `CudaGraphs`.

    Args:
        device: The device of the steps.
        generators: The generators, besides that of the device, that the steps draw from.
    """

    def __init__(self, device: torch.device, generators: Sequence[torch.Generator] = ()) -> None:
        self.device = device
        self.generators: Sequence[torch.Generator] = list(generators)

    def stream(self) -> AbstractContextManager[None]:
        """Change nothing: operators are computed in their order."""
        return nullcontext()

    def capture(self, step: Callable[[], None]) -> Callable[[], None]:
        """Record a step, take its effects back, and return what replays it.

        Raises:
            RuntimeError: If the step reads a value on the host.
        """
        record = _Record(self.device.type)
        states = [torch.get_rng_state(), *(g.get_state() for g in self.generators)]
        recording.append(record)
        try:
            with record:
                step()
        finally:
            recording.remove(record)
            record.take_back()
            torch.set_rng_state(states[0])
            for generator, state in zip(self.generators, states[1:], strict=True):
                generator.set_state(state)
        return record.replay


@final
class _Record(TorchDispatchMode):
    """Keep the operators of a step with their arguments and results."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self._kind = kind
        self._calls: list[Callable[[], None]] = []
        # Storages that the step makes, and those from before it with their contents.
        self._made: dict[int, torch.UntypedStorage] = {}
        self._before: dict[int, tuple[torch.UntypedStorage, torch.UntypedStorage]] = {}

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        if waits(func, args):
            raise RuntimeError(f"{func.overloadpacket} is not permitted in a recorded step")
        given = {self._kept(x) for x in _tensors((args, named))}
        # Aliases, since an operator in place may give the tensor itself another shape.
        aliases = pytree.tree_map_only(Tensor, Tensor.detach, (args, named))
        result = func(*args, **named)
        made: dict[int, Tensor] = {}
        for k, x in enumerate(pytree.tree_leaves(result)):
            if isinstance(x, Tensor) and x.untyped_storage()._cdata not in given:
                storage = x.untyped_storage()
                self._made[storage._cdata] = storage
                made[k] = x.detach()
        # A view needs no computation again; what writes into its arguments does.
        if made or not _is_view(func):
            self._calls.append(partial(_compute, func, *aliases, made))
        return result

    def split(self, launch: Callable[[], None]) -> None:
        """Note a launch between operators, and make it: recording computes the step."""
        self._calls.append(launch)
        launch()

    def replay(self) -> None:
        """Compute the operators again, and make the launches."""
        # What was recorded has no gradients, and autocast is done.
        with torch.no_grad(), torch.autocast(self._kind, enabled=False):
            for call in self._calls:
                call()

    def take_back(self) -> None:
        """Give the storages from before the step their contents again."""
        for storage, contents in self._before.values():
            storage.copy_(contents)

    def _kept(self, x: Tensor) -> int:
        """Keep what a storage from before the step holds, and return its key."""
        storage = x.untyped_storage()
        key = storage._cdata
        if key not in self._made and key not in self._before:
            self._before[key] = storage, storage.clone()
        return key


def _compute(
    func: torch._ops.OpOverload,
    args: tuple[Any, ...],
    named: dict[str, Any],
    made: dict[int, Tensor],
) -> None:
    """Compute an operator again, and write its results into the recorded ones, by their number."""
    found = pytree.tree_leaves(func(*args, **named))
    for part in found:
        _wait(part)
    for k, into in made.items():
        into.copy_(found[k])


def _tensors(values: Any) -> list[Tensor]:
    return [x for x in pytree.tree_leaves(values) if isinstance(x, Tensor)]


def _is_view(func: torch._ops.OpOverload) -> bool:
    """Return whether an operator returns views only and writes into nothing."""
    writes = any(a.alias_info is not None and a.alias_info.is_write for a in func._schema.arguments)
    aliases = [r.alias_info is not None for r in func._schema.returns]
    return bool(aliases) and all(aliases) and not writes


def _wait(result: Any) -> None:
    """Wait for the end of a collective."""
    if isinstance(result, torch.ScriptObject) and "Work" in str(result._type()):
        c10d.Work.unbox(result).wait()
