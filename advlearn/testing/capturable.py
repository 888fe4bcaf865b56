"""Prove on any machine that a training step can be captured as a CUDA graph."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false, reportPrivateUsage=false
# (PyTorch's own annotations are partial)

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, final

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from advlearn.core.capture import host_states, kind_of_step, modules_of, reason_against_training
from advlearn.core.host_reads import HostReads
from advlearn.core.trainer import Trainer

Entry = tuple[Any, ...]
# Steps in which two of one kind must occur.
LONGEST = 40


def check_capturable(step: Callable[[], object] | Trainer, *, warmup: int = 2) -> None:
    """Check that a training step can be captured as a CUDA graph, without a GPU.

    A graph repeats the same operators on the same memory. So the step runs `warmup` times and then
    twice more: both runs must compute the same operators, with the same numbers, on the same
    tensors that exist outside of the step (weights, buffers, states of optimizers, inputs). They
    must read no value on the host, and draw random numbers from the default generator only.

    Args:
        step: A function that makes one step in place, on inputs that stay in place; or a `Trainer`,
            whose step is checked on fixed batches as it is captured on CUDA. The step trains.
        warmup: Steps before the two that are compared, in which optimizers allocate their state.

    Raises:
        AssertionError: If the step cannot be captured; the message says why.

    Example:
        >>> weight = torch.ones(2)
        >>> check_capturable(lambda: weight.mul_(2))
        >>> check_capturable(lambda: weight.mul_(weight.sum().item()))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        AssertionError: capturable: aten._local_scalar_dense reads a value on the host ...
    """
    if isinstance(step, Trainer):
        _check_trainer(step, warmup)
        return
    for _ in range(warmup):
        step()
    _compare(_recorded(step), _recorded(step))


def _check_trainer(trainer: Trainer, warmup: int) -> None:
    device = next(trainer.task.parameters()).device
    trainer.hold_on_device(device)
    reason = reason_against_training(trainer, device)
    if reason is not None:
        raise AssertionError(f"capturable: {reason}")
    trainer.task.train()
    batches = [next(trainer.data) for _ in range(trainer.critic_steps)]

    def step() -> None:
        trainer.learn(iter(batches))

    states = host_states(modules_of(trainer))
    seen: dict[Any, _Recorded] = {}
    for k in range(LONGEST):
        trainer.set_numbers()
        kind = kind_of_step(trainer, states)
        if k < warmup or kind is None:
            step()
            continue
        found = _recorded(step, device)
        if kind in seen:
            _compare(seen[kind], found)
            return
        seen[kind] = found
    raise AssertionError(f"capturable: no two of {LONGEST} steps are of one kind")


@final
class _Recorded(TorchDispatchMode):
    """Record the operators of a step, with a name for each tensor that lasts from run to run."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[Entry] = []
        # Storages stay alive, so that none gets the address of an earlier one.
        self._alive: list[Any] = []
        self._names: dict[int, str] = {}

    def __torch_dispatch__(
        self,
        func: torch._ops.OpOverload,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        values = [self._name(x) for x in pytree.tree_leaves((args, named))]
        result = func(*args, **named)
        for x in pytree.tree_leaves(result):
            if isinstance(x, Tensor):
                self._name(x, new=True)
        self.entries.append((str(func), *values))
        return result

    def _name(self, x: Any, *, new: bool = False) -> Any:
        if not isinstance(x, Tensor):
            return x if isinstance(x, int | float | str | bool | None) else str(x)
        storage = x.untyped_storage()
        key = storage._cdata
        if key not in self._names:
            self._alive.append(storage)
            count = len(self._names)
            self._names[key] = f"result {count}" if new else f"outside {key}"
        return self._names[key], x.storage_offset(), tuple(x.shape), x.stride(), str(x.dtype)


def _recorded(step: Callable[[], object], device: torch.device | None = None) -> _Recorded:
    """Run a step and record it; raise an AssertionError for what no graph can hold."""
    record = _Recorded()
    with ExitStack() as stack:
        reads = stack.enter_context(HostReads(device or torch.device("cpu")))
        stack.enter_context(record)
        step()
    if reads.found is not None:
        raise AssertionError(f"capturable: {reads.found}")
    return record


def _compare(first: _Recorded, second: _Recorded) -> None:
    for k, (a, b) in enumerate(zip(first.entries, second.entries, strict=False)):
        if a[0] != b[0]:
            raise AssertionError(
                f"capturable: two steps have different operators: {a[0]} and {b[0]} as number {k}"
            )
        if len(a) != len(b):
            raise AssertionError(f"capturable: {a[0]} takes {len(a) - 1} and {len(b) - 1} values")
        for x, y in zip(a[1:], b[1:], strict=True):
            if x != y and not (x != x and y != y):
                raise AssertionError(f"capturable: {a[0]} takes {_described(x, y)}")
    if len(first.entries) != len(second.entries):
        raise AssertionError(
            f"capturable: two steps have {len(first.entries)} and {len(second.entries)} operators"
        )


def _described(x: Any, y: Any) -> str:
    if isinstance(x, tuple) and isinstance(y, tuple):
        if x[2:] != y[2:]:
            return f"a tensor of another shape or type in each step: {x[2:]} and {y[2:]}"
        return f"a tensor at another place in each step, of shape {x[2]}; write into one in place"
    return f"another number in each step: {x!r} and {y!r}; keep it in a tensor"
