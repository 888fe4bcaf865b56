"""Collective operations that make N processes train like one process on the joined batch.

Modules are not wrapped. Gradients are averaged in one flat buffer after the backward pass,
since a distributed wrapper gives wrong gradients, without an error, for a loss that is only a
gradient penalty. Random numbers that belong to samples are drawn for the joined batch in every
process, which then takes its own rows.

A critic sharded by FSDP2 (``fully_shard``) reduces its own gradients. What it needs from a head is
in `hold_gathered`, `reshard` and `whole`, which do nothing for a plain module.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn

from advlearn.core import stacked

# One entry for each open block of `only_this_process`.
_blocks: list[None] = []
_CPU = torch.device("cpu")


def has_group() -> bool:
    """Return whether this process belongs to a group, of one process or more."""
    return dist.is_available() and dist.is_initialized()


def world_size() -> int:
    """Return the number of processes."""
    return dist.get_world_size() if _takes_part() else 1


def rank() -> int:
    """Return the rank of this process, from 0."""
    return dist.get_rank() if _takes_part() else 0


@contextmanager
def only_this_process() -> Generator[None]:
    """Compute as a single process in the block, so that no other process is waited for."""
    _blocks.append(None)
    try:
        yield
    finally:
        _blocks.pop()


def _takes_part() -> bool:
    return not _blocks and has_group()


def randn(*shape: int, like: Tensor) -> Tensor:
    """Draw standard normal numbers of `shape`; its first dimension is this process's samples."""
    if stacked.is_open():
        return stacked.drawn(partial(torch.randn, shape, device=like.device, dtype=like.dtype))
    return _own_rows(
        torch.randn(world_size() * shape[0], *shape[1:], device=like.device, dtype=like.dtype),
        shape[0],
    )


def rand(*shape: int, like: Tensor) -> Tensor:
    """Draw uniform numbers in [0, 1) of `shape`; its first dimension is this process's samples."""
    if stacked.is_open():
        return stacked.drawn(partial(torch.rand, shape, device=like.device, dtype=like.dtype))
    return _own_rows(
        torch.rand(world_size() * shape[0], *shape[1:], device=like.device, dtype=like.dtype),
        shape[0],
    )


def randint(high: int, n: int, *, device: torch.device) -> Tensor:
    """Draw integers in [0, high) of shape (n,), one for each sample of this process."""
    if stacked.is_open():
        return stacked.drawn(partial(torch.randint, high, (n,), device=device))
    return _own_rows(torch.randint(high, (world_size() * n,), device=device), n)


def _own_rows(joined: Tensor, n: int) -> Tensor:
    return joined if world_size() == 1 else joined[rank() * n : (rank() + 1) * n]


def gather(x: Tensor) -> Tensor:
    """Concatenate the rows of all processes by rank, with gradient: (world * N, ...)."""
    return x if world_size() == 1 else cast(Tensor, _Gather.apply(x))


def gather_numbers(numbers: Sequence[int]) -> list[list[int]]:
    """Return the whole numbers of every process, by rank; waits for all processes.

    Args:
        numbers: Whole numbers, as many in every process.
    """
    if world_size() == 1:
        return [list(numbers)]
    own = torch.tensor(numbers, dtype=torch.int64, device=_device_of_group())
    parts = [torch.empty_like(own) for _ in range(world_size())]
    dist.all_gather(parts, own)
    return [[int(number) for number in part.tolist()] for part in parts]


def gather_objects(value: object) -> list[Any]:
    """Return the values of every process, by rank; waits for all processes."""
    if world_size() == 1:
        return [value]
    values: list[Any] = [None] * world_size()
    dist.all_gather_object(values, value)
    return values


def waits_for_no_device() -> bool:
    """Return whether an exchange of numbers does not wait for an accelerator, as over Gloo."""
    return world_size() == 1 or _device_of_group().type == "cpu"


def reason_against_capture(modules: Iterable[nn.Module], device: torch.device) -> str | None:
    """Return why a CUDA graph cannot hold the collectives of a step on a device, or None.

    Args:
        modules: The modules that the step trains.
        device: The device of the step. On a CPU nothing is captured but by the tests, where every
            backend computes in order.
    """
    if world_size() == 1:
        return None
    if any(is_sharded(p) for module in modules for p in module.parameters()):
        return "FSDP2 gathers and frees the weights of a sharded module in each step"
    named = (part.split(":") for part in dist.get_backend_config().split(","))
    backend = dict(cast(Iterable[tuple[str, str]], named)).get(device.type, "none")
    if device.type != "cuda" or backend == "nccl":
        return None
    return f"several processes exchange gradients by {backend}, through the host; use nccl"


def _device_of_group() -> torch.device:
    name = dist.get_backend()
    return torch.device("cuda", torch.cuda.current_device()) if name == "nccl" else _CPU


def mean(x: Tensor) -> Tensor:
    """Average `x` over the processes, without gradient, for state that all share."""
    if world_size() == 1:
        return x.detach()
    total = x.detach().clone()
    dist.all_reduce(total)
    return total / world_size()


def any_process(flag: bool, device: torch.device) -> bool:
    """Return whether `flag` is true in any process; waits for the device if there are several."""
    if world_size() == 1:
        return flag
    return bool(mean(torch.tensor(float(flag), device=device)) > 0)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace each ``.grad`` by its mean over the processes, in a single all-reduce."""
    if world_size() == 1:
        return
    # Sharded gradients are averaged where they are reduced.
    with_gradient = [p for p in parameters if p.requires_grad and not is_sharded(p)]
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in with_gradient]
    if not gradients:
        return
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= world_size()
    pieces = flat.split([g.numel() for g in gradients])
    # In place, because a fused optimizer expects a gradient in the memory layout of its
    # parameter.
    for p, gradient, piece in zip(with_gradient, gradients, pieces, strict=True):
        p.grad = gradient.copy_(piece.view_as(p))


def broadcast(tensors: Iterable[Tensor]) -> None:
    """Copy the values of the first process to all others."""
    if world_size() > 1:
        for tensor in tensors:
            dist.broadcast(tensor.data, 0)


def share(module: nn.Module) -> None:
    """Copy the weights and buffers of the first process to all others, sharded ones excepted."""
    broadcast(t for t in (*module.parameters(), *module.buffers()) if not is_sharded(t))


def is_sharded(tensor: Tensor) -> bool:
    """Return whether each process holds a part of the tensor, as a parameter under FSDP2."""
    return hasattr(tensor, "placements")


def whole(tensor: Tensor) -> Tensor:
    """Return the values of all processes, with gradient; a collective for a sharded tensor."""
    return cast(Any, tensor).full_tensor() if is_sharded(tensor) else tensor


def hold_gathered(module: nn.Module) -> None:
    """Let FSDP2 keep the weights that a forward pass gathers until `reshard`.

    The gradient of a penalty on the input gradient passes through the weights before FSDP2's own
    hooks would gather them again.
    """
    for part in _sharded_parts(module):
        part.set_reshard_after_forward(False, recurse=False)
        part.set_reshard_after_backward(False, recurse=False)


def reshard(module: nn.Module) -> None:
    """Free gathered weights, so that the next forward pass gathers those of the last step."""
    for part in _sharded_parts(module):
        part.reshard()


def _sharded_parts(module: nn.Module) -> list[Any]:
    # Without a group nothing is sharded, and a step has no time for a search.
    if not has_group():
        return []
    # By the method's name: importing FSDP takes longer than importing this package.
    return [part for part in module.modules() if hasattr(part, "set_reshard_after_backward")]


class _Gather(torch.autograd.Function):
    """Gather rows; the backward pass sums the gradient of this process's rows over processes.

    Each process computes the same joint loss, so the sum is `world` times the gradient, and
    `average_gradients` divides it by `world` again.
    """

    @staticmethod
    def forward(ctx: torch.autograd.function.FunctionCtx, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x) for _ in range(world_size())]
        dist.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, *grads: Tensor) -> Tensor:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        n = total.shape[0] // world_size()
        return total[rank() * n : (rank() + 1) * n]
