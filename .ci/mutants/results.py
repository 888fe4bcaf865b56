"""Keep the rows of mutants, and compare the survivors with the list of accepted ones."""

import json
import os
import platform
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from forked import ROOT
from mutations import Mutant

FILE = ROOT / "benchmarks" / "results" / "mutants.json"
ACCEPTED = ROOT / ".ci" / "mutants" / "accepted.json"
BAR = 0.95


@dataclass(frozen=True)
class Row:
    """The outcome of a mutant.

    Args:
        mutant: The mutant.
        outcome: ``"killed"`` or ``"survived"``.
        by: The first test that failed, or why there is none.
        tests: How many tests ran.
        seconds: CPU time.
    """

    mutant: Mutant
    outcome: str
    by: str
    tests: int
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        return {
            "mutant": self.mutant.name,
            "outcome": self.outcome,
            "by": self.by,
            "tests": self.tests,
            "cpu_s": round(self.seconds, 1),
        }


class Results:
    """The rows of the drawn mutants, kept in a file."""

    def __init__(self, drawn: list[Mutant], seed: int) -> None:
        self.drawn = [m.name for m in drawn]
        self.seed = seed
        kept = json.loads(FILE.read_text())["rows"] if FILE.exists() else []
        self._rows: dict[str, dict[str, Any]] = {row["mutant"]: row for row in kept}

    def outcome(self, mutant: Mutant) -> str | None:
        """Return the outcome of a mutant, or None where it has not been run."""
        row = self._rows.get(mutant.name)
        return None if row is None else row["outcome"]

    def rows(self) -> list[dict[str, Any]]:
        """Return the rows of the drawn mutants, in the order of the draw."""
        return [self._rows[name] for name in self.drawn if name in self._rows]

    def add(self, row: Row) -> None:
        """Keep a row and print it."""
        self._rows[row.mutant.name] = row.as_dict()
        self._save()
        place = f"{row.mutant.file}:{row.mutant.line}"
        print(f"{row.outcome:8} {row.seconds:5.1f} s  {place}  {row.mutant.name}", flush=True)
        if row.by:
            print(f"{'':18}{row.by}", flush=True)

    def undoubted_tests(self) -> list[str]:
        """Return the tests that killed mutants and have not been run without one."""
        rows = [r for r in self._rows.values() if not r.get("passes_without") and "::" in r["by"]]
        return sorted({r["by"] for r in rows if not r["by"].startswith("collection of")})

    def confirm(self, tests: list[str], failed: list[str]) -> None:
        """Note the tests that pass without a mutant; drop the rows of the others."""
        for name, row in list(self._rows.items()):
            if row["by"] in failed:
                print(f"fails without a mutant: {row['by']}")
                del self._rows[name]
            elif row["by"] in tests:
                row["passes_without"] = True
        self._save()

    def _save(self) -> None:
        rows = self.rows()
        # Mutants drawn with another seed or number stay in the file after these.
        others = [row for name, row in self._rows.items() if name not in self.drawn]
        share = sum(row["outcome"] == "killed" for row in rows) / max(len(rows), 1)
        bar = {"name": "killed, of all drawn", "value": share, "op": ">=", "bar": BAR}
        content = {
            "benchmark": "mutants",
            "command": f"make mutants MUTANTS={len(self.drawn)}",
            "commit": _commit(),
            "machine": f"{platform.machine()}, {os.cpu_count()} cores",
            "versions": {"python": sys.version.split()[0]},
            "seconds": round(sum(row["cpu_s"] for row in self._rows.values()), 1),
            "rows": [*rows, *others],
            "bars": [{**bar, "met": share >= BAR}],
        }
        temporary = FILE.with_suffix(".tmp")
        temporary.write_text(json.dumps(content, indent=1) + "\n")
        temporary.replace(FILE)


def _commit() -> str:
    git = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return git.stdout.strip() or "none"


def conclude(results: Results, accepted: dict[str, str]) -> int:
    """Print the share and the survivors with their reasons; return the exit status."""
    rows = results.rows()
    survivors = [row["mutant"] for row in rows if row["outcome"] == "survived"]
    for name in survivors:
        print(f"survived: {name}\n    {accepted.get(name, 'NOT LISTED')}")
    unlisted = [name for name in survivors if name not in accepted]
    killed = {row["mutant"] for row in rows if row["outcome"] == "killed"}
    for name in accepted.keys() & killed:
        print(f"listed as accepted, but killed; remove it from {ACCEPTED.name}: {name}")
    share = len(killed) / max(len(rows), 1)
    missing = len(results.drawn) - len(rows)
    print(f"{len(rows)} of {len(results.drawn)} run: {len(killed)} killed ({share:.1%}), ", end="")
    print(f"{len(survivors)} survived, {len(unlisted)} of them without a reason")
    return int(share < BAR or bool(unlisted) or bool(accepted.keys() & killed) or missing > 0)
