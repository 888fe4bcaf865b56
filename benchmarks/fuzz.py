"""Feed random input to everything that reads it, and count what fails.

The inputs are specs, commands, arrays, demonstrations, saved runs and saved rewards. Each must be
taken, or be refused by an error of one line; `failures` counts the others. A failing input is kept
in the folder of `--keep`, with its traceback; the seed and the number of the case repeat it. Only a
run of 15 minutes with all kinds of input is written to the result file.
"""

import time
from pathlib import Path

from fuzz_inputs import fuzz
from harness import Result, arguments, one_thread

SECONDS, QUICK_SECONDS = 900.0, 3.0
COLUMNS = ["input", "inputs", "failures", "seed"]


def main() -> None:
    """Run from the command line; the exit status is 1 if an input failed."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--seconds", type=float, default=SECONDS)
    parser.add_argument("--seed", type=int, default=None, help="default: the time")
    parser.add_argument("--keep", type=Path, default=Path("runs/fuzz"))
    parser.add_argument("--only", default=None, help="kinds of input, separated by commas")
    options = parser.parse_args()
    one_thread()
    short = options.quick or options.seconds < SECONDS or options.only is not None
    result = Result("fuzz", quick=short)
    if not options.report:
        result.start_again()
        seed = int(time.time()) if options.seed is None else options.seed
        print(f"seed {seed}", flush=True)
        seconds = QUICK_SECONDS if options.quick else options.seconds
        done = fuzz(seconds, seed, options.keep, options.only and options.only.split(","))
        for name, count in done.counts.items():
            failures = sum(line.startswith(f"{name}-") for line in done.failures)
            result.rows.append({"input": name, "inputs": count, "failures": failures, "seed": seed})
        if done.failures:
            print(f"failing inputs are kept in {options.keep}")
    failed = sum(row["failures"] for row in result.rows)
    result.bar("inputs that end in another error than one line", failed, "==", 0)
    result.save()
    result.show(COLUMNS)
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
