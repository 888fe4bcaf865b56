"""Run functions in two processes over gloo and in this one."""

import tempfile
import traceback
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from tests.processes import run_in_processes

WORLD = 2
Results = dict[str, Any]
Job = Callable[[int, int], Results]


def in_two_processes(jobs: dict[str, Job]) -> list[dict[str, Results | str]]:
    """Return the results of all jobs in each rank; an error is its first line.

    A job is called with the rank and the number of processes. One that waits for another process
    in vain ends after 20 seconds.
    """
    with tempfile.TemporaryDirectory() as folder:
        run_in_processes(_worker, (folder, jobs), WORLD)
        return [torch.load(Path(folder) / f"{rank}.pt") for rank in range(WORLD)]


def attempt(job: Job, rank: int, world: int) -> Results | str:
    """Return the results of a job, or the first line of its error."""
    try:
        return job(rank, world)
    except (RuntimeError, ValueError, AssertionError) as error:
        # A helper's assert has no text, since only test files are rewritten by pytest.
        lines = str(error).splitlines() or [str(traceback.extract_tb(error.__traceback__)[-1])]
        return f"{type(error).__name__}: {lines[0]}"


def own_rows(x: torch.Tensor, rank: int, world: int) -> torch.Tensor:
    """Return the rows of a joined batch that are this process's."""
    n = len(x) // world
    return x[rank * n : (rank + 1) * n]


def _worker(rank: int, folder: str, jobs: dict[str, Job]) -> None:
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{folder}/meet",
        rank=rank,
        world_size=WORLD,
        timeout=timedelta(seconds=20),
    )
    try:
        torch.save(
            {name: attempt(job, rank, WORLD) for name, job in jobs.items()},
            Path(folder) / f"{rank}.pt",
        )
    finally:
        dist.destroy_process_group()
