"""What threads are worth to the batched MuJoCo environments: steps a second on the clock, by threads and batch.

Batches of 16 and 64 with random actions, resets included, on one thread and on two, in turns in one run, on a machine
that has nothing else to do. `gain` is the ratio of the medians. The rest of a step stays on one thread, and so do the
switches of Python's lock between two calls of MuJoCo.
"""

import statistics
import time
from typing import Any

import torch
from harness import Result, Row, arguments

from envs import MUJOCO, batch

THREADS, BATCHES, ROUNDS, SECONDS = (1, 2), (16, 64), 7, 0.3
COLUMNS = ["env", "envs", "threads", "step_us", "steps_per_second", "gain"]


def on_the_clock(call: Any, repeats: int) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - began) / repeats


def speeds(name: str, envs: int, quick: bool) -> list[Row]:
    """A row for each number of threads."""
    calls: dict[int, Any] = {}
    for threads in THREADS:
        # A batch takes the threads that PyTorch has when it is made.
        torch.set_num_threads(threads)
        calls[threads] = batch(name, envs, "cpu")
    torch.set_num_threads(1)
    repeats = 2 if quick else max(1, int(SECONDS / on_the_clock(calls[1], 20)))
    times: dict[int, list[float]] = {threads: [] for threads in THREADS}
    for _ in range(1 if quick else ROUNDS):
        for threads, call in calls.items():
            times[threads].append(on_the_clock(call, repeats))
    middle = {threads: statistics.median(taken) for threads, taken in times.items()}
    return [
        {
            "env": name,
            "envs": envs,
            "threads": threads,
            "step_us": 1e6 * taken,
            "steps_per_second": round(envs / taken),
            "gain": middle[1] / taken,
        }
        for threads, taken in middle.items()
    ]


def main() -> None:
    """Time the batches that have no row."""
    options = arguments(__doc__ or "").parse_args()
    result = Result("env_threads", quick=options.quick)
    for name in [] if options.report else MUJOCO:
        for envs in BATCHES[:1] if options.quick else BATCHES:
            if not result.has(env=name, envs=envs):
                for row in speeds(name, envs, options.quick):
                    result.add(row)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
