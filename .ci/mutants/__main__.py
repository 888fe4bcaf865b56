"""Draw mutants of advlearn and run their tests: `make mutants`, or `python .ci/mutants`.

Each mutant is one small change of one place in the code. The tests that run the changed statement
are run, the most specific ones first; the mutant is killed where one fails. Rows are kept in
`benchmarks/results/mutants.json` and are not run again. The command fails where less than 95 % are
killed, or where a survivor is not listed in `.ci/mutants/accepted.json` with a reason.
"""

import argparse
import hashlib
import json
import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from forked import (
    ROOT,
    Ended,
    import_heavy,
    replace_source,
    replace_source_in_children,
    run_pytest,
    start,
    wait,
)
from mutations import Mutant, mutants, mutated
from relevant import bring_up_to_date
from results import ACCEPTED, Results, Row, conclude
from selection import Selected, Selection

PACKAGES = ("core", "objectives", "regularizers", "tasks", "metrics", "imitation")
WORK = ROOT / "build" / "mutants"
# CPU seconds of a mutant's tests, after which it counts as an endless loop.
LIMIT = 90.0


@dataclass
class Job:
    """The tests of one mutant, to be run in a fork.

    Args:
        mutant: The mutant, or none to see that the tests pass without one.
        tests: The tests, in the order in which they run.
        folder: Where the fork writes.
    """

    mutant: Mutant | None
    tests: Selected
    folder: Path

    def __call__(self) -> dict[str, Any]:
        mutant = self.mutant
        if mutant is not None:
            tree = mutated(ROOT, mutant)
            replace_source(lambda file: tree if file == mutant.file else None)
            replace_source_in_children(mutant.file, tree, self.folder)
        plugin = Ordered(self.tests)
        stop = [] if mutant is None else ["-x"]
        status = run_pytest([*stop, *self.tests.arguments()], plugin, self.folder)
        if status and not plugin.failed:
            raise RuntimeError(f"pytest ended with status {status}, and no test failed")
        return {"failed": plugin.failed, "run": plugin.run}


class Ordered:
    """A plugin of pytest that runs chosen tests in a given order and notes those that fail."""

    def __init__(self, tests: Selected) -> None:
        self._rank = {test: rank for rank, test in enumerate(tests.tests)}
        self.failed: list[str] = []
        self.run = 0

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = [item for item in items if item.nodeid in self._rank]
        items.sort(key=lambda item: self._rank[item.nodeid])

    def pytest_runtest_logreport(self, report: Any) -> None:
        self.run += report.when == "call"
        if report.failed:
            self.failed.append(report.nodeid)

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.failed.append(f"collection of {report.nodeid}")


def arguments() -> argparse.Namespace:
    """Return the arguments of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("-n", type=int, default=200, help="mutants to draw (default: 200)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the draw (default: 0)")
    parser.add_argument("--jobs", type=int, default=1, help="mutants run at once (default: 1)")
    parser.add_argument("--limit", type=int, help="run at most this many now")
    parser.add_argument("--only", default="", help="draw only mutants whose name contains this")
    parser.add_argument(
        "--tests", default="", help="record only test files whose name contains this"
    )
    parser.add_argument(
        "--again", action="store_true", help="run survivors again, such as after new tests"
    )
    parser.add_argument(
        "--check", action="store_true", help="run nothing; check that survivors are listed"
    )
    return parser.parse_args()


def sources() -> list[str]:
    """Return the files whose mutants are drawn."""
    return [
        str(path.relative_to(ROOT))
        for package in PACKAGES
        for path in sorted((ROOT / "advlearn" / package).rglob("*.py"))
    ]


def draw(n: int, seed: int, only: str = "") -> list[Mutant]:
    """Draw mutants at random; a change elsewhere in the code leaves the others drawn."""
    known = [m for file in sources() for m in mutants(ROOT, file) if only in m.name]
    known.sort(key=lambda m: hashlib.sha256(f"{seed} {m.name}".encode()).digest())
    return known[:n]


def run(todo: list[Mutant], results: Results, jobs: int, tests: str) -> None:
    """Run the tests of mutants and keep a row for each."""
    import_heavy()
    path = WORK / "relevant.json.gz"
    selection = Selection(bring_up_to_date(path, sources(), WORK, jobs, tests))
    waiting = list(reversed(todo))
    free = list(range(jobs))
    running: dict[int, tuple[int, Job]] = {}
    while waiting or running:
        while waiting and free:
            mutant, slot = waiting.pop(), free.pop()
            job = Job(mutant, selection.of(mutant), WORK / f"job-{slot}")
            if not job.tests.tests:
                results.add(Row(mutant, "survived", "no test runs the statement", 0, 0.0))
                free.append(slot)
                continue
            running[start(job, job.folder, LIMIT)] = (slot, job)
        if running:
            child, ended = wait({child: job.folder for child, (_, job) in running.items()})
            slot, job = running.pop(child)
            free.append(slot)
            results.add(row(job, ended))


def row(job: Job, ended: Ended) -> Row:
    """Return the row of a mutant whose fork has ended."""
    assert job.mutant is not None
    if ended.result is None:
        return Row(job.mutant, "killed", "stopped by a signal", 0, ended.seconds)
    failed = ended.result["failed"]
    outcome = "killed" if failed else "survived"
    by = failed[0] if failed else ""
    return Row(job.mutant, outcome, by, ended.result["run"], ended.seconds)


def doubt(results: Results) -> None:
    """Run the tests that killed a mutant without one; drop the rows of those that fail."""
    tests = results.undoubted_tests()
    if not tests:
        return
    job = Job(None, Selected(tests), WORK / "control")
    child = start(job, job.folder, 60.0 + 20.0 * len(tests))
    _, ended = wait({child: job.folder})
    if ended.result is None:
        raise SystemExit(f"the tests did not end without a mutant; see {ended.output}")
    results.confirm(tests, ended.result["failed"])


def main() -> int:
    """Run the command and return its exit status."""
    options = arguments()
    drawn = draw(options.n, options.seed, options.only)
    results = Results(drawn, options.seed)
    if not options.check:
        again = {"survived"} if options.again else set[str]()
        todo = [m for m in drawn if results.outcome(m) in {None, *again}][: options.limit]
        started = time.time()
        if todo:
            run(todo, results, options.jobs, options.tests)
            doubt(results)
            print(f"{len(todo)} mutants in {time.time() - started:.0f} s")
    return conclude(results, json.loads(ACCEPTED.read_text()))


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
