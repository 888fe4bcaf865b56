"""Start several processes that have imported torch and advlearn already."""

import multiprocessing
from collections.abc import Callable
from typing import Any

from torch.multiprocessing.spawn import start_processes

# Imported once, by a process that forks the others. That process never computes: a fork of the
# tests' own process could not run autograd.
PRELOADED = [
    *("torch", "advlearn", "advlearn.core.adversary", "advlearn.testing._found"),
    *("torch.distributed.fsdp", "torch.distributed.checkpoint", "pytest"),
]


def preload() -> None:
    """Let the fork server of this process import what the tests need; once, before it starts."""
    multiprocessing.get_context("forkserver").set_forkserver_preload(PRELOADED)


def run_in_processes(
    function: Callable[..., None], arguments: tuple[Any, ...] = (), count: int = 2
) -> None:
    """Call a function in several processes, with the rank first, and raise what one raises."""
    preload()
    start_processes(function, arguments, nprocs=count, start_method="forkserver")
