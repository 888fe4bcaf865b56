"""Measure steps per second of the batched MuJoCo environments on one thread and on two.

Batches of 16 and 64 with random actions, resets included, are timed in turns in one run, in
wall-clock time, on an otherwise idle machine; the rest is as in `envs.py`. Only the calls of MuJoCo
are parallel: the other parts of a step, and the switches of Python's lock between two calls, stay
on one thread.
"""

import time

import torch
from harness import Result, Row, arguments

from envs import MUJOCO, Call, batch, timed

THREADS, BATCHES = (1, 2), (16, 64)


def speeds(envs: int, rounds: int, budget: float) -> list[Row]:
    """Return a row for each environment and number of threads."""
    calls: dict[tuple[str, str], Call] = {}
    for threads in THREADS:
        # A batch uses the number of threads that PyTorch has when the batch is created.
        torch.set_num_threads(threads)
        calls |= {(f"threads: {threads}", name): batch(name, envs, "cpu") for name in MUJOCO}
    torch.set_num_threads(1)
    return timed(calls, envs, "cpu", rounds, budget, time.perf_counter)


def main() -> None:
    """Time every batch."""
    options = arguments(__doc__ or "").parse_args()
    result = Result("env_threads", quick=options.quick)
    if not options.report:
        result.rows = []
        for envs in (2,) if options.quick else BATCHES:
            result.rows += speeds(envs, *((1, 1e-4) if options.quick else (7, 0.3)))
    result.save()
    result.show(["way", "env", "envs", "step_us", "steps_per_second", "lowest", "highest"])


if __name__ == "__main__":
    main()
