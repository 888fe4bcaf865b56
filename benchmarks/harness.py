"""Share what every benchmark needs: rows, one result file, bars, a table and its options."""

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]


class Result:
    """Write a result file row by row, and skip rows that it already holds.

    Args:
        name: Name of the benchmark, and of its file.
        quick: Whether this is a quick run, kept in memory only.
    """

    def __init__(self, name: str, *, quick: bool) -> None:
        self.name = name
        self.quick = quick
        self.path = RESULTS / f"{name}.json"
        self.started = time.time()
        old = json.loads(self.path.read_text()) if self.path.exists() and not quick else {}
        self._old: dict[str, Any] = old
        self.rows: list[Row] = list(old.get("rows", []))
        self.bars: list[Row] = []
        self.seconds: float = old.get("seconds", 0.0)

    def has(self, **key: Any) -> bool:
        """Return whether a row with these values exists."""
        return any(all(row.get(k) == v for k, v in key.items()) for row in self.rows)

    def reload(self) -> None:
        """Add the rows that another command has written to the file."""
        if self.path.exists() and not self.quick:
            saved = json.loads(self.path.read_text())["rows"]
            # Compare rows as text: a NaN of a diverged run is not equal to itself.
            known = {json.dumps(row) for row in saved}
            self.rows = saved + [row for row in self.rows if json.dumps(row) not in known]

    def start_again(self) -> None:
        """Drop all rows, for times that cannot be compared with those of another run."""
        self.rows, self.seconds = [], 0.0
        # The file too, since a new row is added to those of the file.
        self.save()

    def add(self, row: Row) -> None:
        """Add a row and save the file."""
        self.reload()
        self.rows.append(row)
        self.save()

    def bar(self, name: str, value: float, op: str, bar: float) -> None:
        """Add a required bar and the value measured for it."""
        self.bars.append(
            {"name": name, "value": value, "op": op, "bar": bar, "met": met(value, op, bar)}
        )

    def save(self) -> None:
        """Write the file, to a temporary one first."""
        if self.quick:
            return
        self.seconds += time.time() - self.started
        self.started = time.time()
        RESULTS.mkdir(exist_ok=True)
        content = {
            "benchmark": self.name,
            "command": f"python benchmarks/{self.name}.py",
            **self._origin(),
            "seconds": round(self.seconds, 1),
            "rows": self.rows,
            "bars": self.bars,
        }
        temporary = self.path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content, indent=1, allow_nan=True) + "\n")
        temporary.replace(self.path)

    def _origin(self) -> dict[str, Any]:
        """Return where the rows come from: a report keeps what it reports on."""
        if "commit" in self._old and self.rows == self._old["rows"]:
            return {key: self._old[key] for key in ("commit", "machine", "versions")}
        return {
            "commit": _commit(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": _versions(),
        }

    def show(self, columns: list[str], rows: list[Row] | None = None) -> None:
        """Print rows as a table, then the bars."""
        self.show_table(columns, self.rows if rows is None else rows)
        self.show_bars()

    def show_table(self, columns: list[str], rows: list[Row]) -> None:
        """Print rows as a table."""
        from rich.console import Console
        from rich.table import Table

        table = Table(*columns, title=self.name)
        for row in rows:
            table.add_row(*(_formatted(row.get(column, "")) for column in columns))
        Console(width=160).print(table)

    def show_bars(self) -> None:
        """Print the bars, and whether they are met."""
        from rich.console import Console

        for b in self.bars:
            state = "met  " if b["met"] else "SHORT"
            line = f"{state} {b['name']}: {_formatted(b['value'])} {b['op']} {b['bar']}"
            Console(width=160).print(line)


def met(value: float, op: str, bar: float) -> bool:
    """Return whether a value meets a bar."""
    return {">=": value >= bar, "<=": value <= bar, "==": value == bar}[op]


def arguments(doc: str) -> argparse.ArgumentParser:
    """Return the parser of every benchmark: `--quick` for the tests, `--jobs` for parallel rows."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="a few steps, nothing written: for the tests"
    )
    parser.add_argument(
        "--jobs", type=int, default=1, help="rows computed at once, each on one thread"
    )
    parser.add_argument(
        "--report",
        action="store_true",
        help="compute nothing: bars and picture of the rows at hand",
    )
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


def compute(result: Result, work: Callable[..., Row], todo: list[Row], jobs: int) -> None:
    """Compute missing rows in `jobs` processes of one thread each, keeping each row."""
    todo = [key for key in todo if not result.has(**key)]
    if jobs == 1:
        for key in todo:
            result.add(work(**key))
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=one_thread) as pool:
        futures = [pool.submit(work, **key) for key in todo]
        for future in as_completed(futures):
            row = future.result()
            result.add(row)
            print(json.dumps(row), flush=True)


def one_thread() -> None:
    """Use one thread, so that parallel rows do not disturb each other."""
    import torch

    torch.set_num_threads(1)


def _formatted(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _commit() -> str:
    git = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return git.stdout.strip() or "none"


def _versions() -> dict[str, str]:
    import torch

    import advlearn

    return {
        "advlearn": advlearn.__version__,
        "torch": torch.__version__,
        "python": sys.version.split()[0],
    }
