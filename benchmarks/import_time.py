"""Compare the time of `import advlearn` with that of `import torch`, in fresh interpreters.

The time is measured inside the interpreter, without its own start: wall-clock and CPU time, with
the modules in the file cache. `import advlearn` contains `import torch`, so the ratio is at least
about one.
"""

import statistics
import subprocess
import sys

from harness import Result, Row, arguments

PAIRS, BAR = 15, 2.0
PROGRAM = """
import time
wall, cpu = time.perf_counter(), time.process_time()
import {module}
print(time.perf_counter() - wall, time.process_time() - cpu)
"""


def seconds(module: str) -> tuple[float, float]:
    """Return the wall-clock and CPU seconds of one import in a fresh interpreter."""
    command = [sys.executable, "-c", PROGRAM.format(module=module)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    wall, cpu = map(float, done.stdout.split())
    return wall, cpu


def pair(k: int) -> Row:
    """Return the times of one import of each, in alternating order."""
    names = ("torch", "advlearn") if k % 2 else ("advlearn", "torch")
    row: Row = {"pair": k}
    for name in names:
        row[f"{name}_s"], row[f"{name}_cpu_s"] = seconds(name)
    return {
        **row,
        "ratio": row["advlearn_s"] / row["torch_s"],
        "cpu_ratio": row["advlearn_cpu_s"] / row["torch_cpu_s"],
    }


def measure(result: Result, pairs: int) -> None:
    """Time the pairs, after one import of each that loads the files into the cache."""
    result.rows, result.seconds = [], 0.0
    for name in () if result.quick else ("torch", "advlearn"):
        seconds(name)
    for k in range(pairs):
        result.add(pair(k))


def main() -> None:
    """Time the pairs, or report the saved ones."""
    options = arguments(__doc__ or "").parse_args()
    result = Result("import_time", quick=options.quick)
    if not options.report:
        measure(result, 1 if options.quick else PAIRS)
    ratio = statistics.median(row["ratio"] for row in result.rows)
    result.bar("import advlearn over import torch, median", ratio, "<=", BAR)
    result.save()
    result.show(list(result.rows[0]))


if __name__ == "__main__":
    main()
