"""Process groups of torchrun."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.distributed as dist

from advlearn.training.device import pick

_NEEDED = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")


def start(device: str | torch.device = "auto") -> torch.device:
    """Join the process group if torchrun started this process, and choose its device.

    With torchrun's environment variables and no process group yet, it creates one: NCCL for CUDA,
    Gloo for the CPU. Otherwise it only chooses the device.

    Args:
        device: Name or device, see `device.pick`; ``"auto"`` and ``"cuda"`` mean the CUDA device of
            this process's local rank.

    Returns:
        This process's device.

    Raises:
        ValueError: A device that this machine does not have, one of another local rank, or more
            local processes than CUDA devices.

    Example:
        >>> start("cpu")
        device(type='cpu')
    """
    started = dist.is_available() and all(name in os.environ for name in _NEEDED)
    if not started:
        return pick(device)
    check_local_rank("device", device, 'pass "cuda", which is the device of the local rank')
    chosen = _local(device, int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        _join(chosen)
    return chosen


def stop() -> None:
    """Leave the process group, if there is one."""
    if dist.is_available() and dist.is_initialized():
        dist.destroy_process_group()


@contextmanager
def launched(device: str | torch.device = "auto") -> Iterator[torch.device]:
    """Call `start` and `stop` around a block; an existing process group is kept.

    Args:
        device: Name or device, see `start`.

    Yields:
        This process's device.

    Example:
        >>> with launched("cpu") as device:
        ...     device
        device(type='cpu')
    """
    existing = dist.is_available() and dist.is_initialized()
    chosen = start(device)
    try:
        yield chosen
    finally:
        if not existing:
            stop()


def processes() -> int:
    """Return the number of processes that train together, also before they have met.

    Example:
        >>> processes()
        1
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_world_size()
    started = all(variable in os.environ for variable in _NEEDED)
    return int(os.environ["WORLD_SIZE"]) if started else 1


def check_local_rank(argument: str, device: str | torch.device, fix: str) -> None:
    """Refuse the CUDA device of another process that torchrun started on this machine.

    A process that sees one device only, as by ``CUDA_VISIBLE_DEVICES``, may have that one.

    Args:
        argument: Name of the argument, for the message.
        device: Name or device; only one with an index of CUDA can be refused.
        fix: How to fix it, for the message.

    Raises:
        ValueError: If several processes share the machine and the index is not the local rank.

    Example:
        >>> check_local_rank("device", "cuda:1", "pass cuda")  # without torchrun
    """
    kind, _, index = str(device).partition(":")
    if kind != "cuda" or not index or not all(name in os.environ for name in _NEEDED):
        return
    rank = os.environ["LOCAL_RANK"]
    shares = rank != "0" or os.environ.get("LOCAL_WORLD_SIZE", "1") != "1"
    sees_one = index == "0" and torch.cuda.device_count() == 1
    if shares and index != rank and not sees_one:
        raise ValueError(
            f"{argument}: expected cuda:{rank} in the process of local rank {rank}, since each has "
            f"its own device, got {device}; {fix}"
        )


def is_first() -> bool:
    """Return whether this process is the first of those that torchrun started, or the only one.

    It also holds before the processes have met, and after they have left their group.

    Example:
        >>> is_first()
        True
    """
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank() == 0
    return processes() == 1 or os.environ["RANK"] == "0"


def _join(device: torch.device) -> None:
    """Create the process group of torchrun."""
    # Not every build of torch has them.
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, rank, world_size = next(rendezvous("env://"))
    # torchrun keeps its store at a restart, with the addresses of the processes that ended. On
    # several machines it counts the restarts of each apart, so that they share no such name.
    if os.environ.get("GROUP_WORLD_SIZE") == "1":
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        store = PrefixStore(f"attempt {attempt}", store)
    # NCCL would else register the buffers of captured collectives, where the processes of a machine
    # wait for one another: one whose capture fails would let them wait for ever.
    os.environ.setdefault("NCCL_GRAPH_REGISTER", "0")
    group: dict[str, Any] = {"store": store, "rank": rank, "world_size": world_size}
    if device.type == "cuda":
        dist.init_process_group("nccl", device_id=device, **group)
    else:
        dist.init_process_group("gloo", **group)


def _local(device: str | torch.device, local_rank: int) -> torch.device:
    """Choose the device of a local process and make it the current one."""
    chosen = pick(device)
    if chosen.type != "cuda":
        return chosen
    if str(device) in ("auto", "cuda"):
        count = torch.cuda.device_count()
        if local_rank >= count:
            raise ValueError(
                f"device: expected at most {count} local processes, one per CUDA device, "
                f"got local rank {local_rank}"
            )
        chosen = torch.device("cuda", local_rank)
    torch.cuda.set_device(chosen)
    return chosen
