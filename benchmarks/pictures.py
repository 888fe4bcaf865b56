"""Check that every command of `docs/pictures.md` plots its picture on two cores in ten minutes.

Each command runs in an empty folder, with the default number of threads of PyTorch. `seconds` is
the wall-clock time from start to end, and includes the load of other programs, so it is an upper
bound. `pictures` are the files that it writes, and `said` is its last line.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Result, Row, arguments

ROOT = Path(__file__).parents[1]
BAR = 600.0
COLUMNS = ["system", "command", "seconds", "pictures", "said"]


def commands() -> dict[str, str]:
    """Return each system and its command, from the table of the page."""
    lines = (ROOT / "docs" / "pictures.md").read_text().splitlines()
    cells = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in lines
        if "`python examples/" in line
    ]
    return {
        system: command.strip("`") for system, command, _ in (row for row in cells if len(row) == 3)
    }


def draw(system: str, command: str, quick: bool) -> Row:
    """Run one command and return its row."""
    _, script, *options = command.split()
    more = ["--steps", "3"] if quick else []
    environment = {
        name: value for name, value in os.environ.items() if quick or name != "OMP_NUM_THREADS"
    }
    with tempfile.TemporaryDirectory() as folder:
        began = time.time()
        done = subprocess.run(
            [sys.executable, str(ROOT / script), *options, *more],
            cwd=folder, capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip
        seconds = time.time() - began
        drawn = sorted(path.name for path in Path(folder).glob("*.png"))
    if done.returncode:
        raise SystemExit(f"{command}: {done.stderr.strip().splitlines()[-1]}")
    last_line = done.stdout.strip().splitlines()[-1]
    return {
        "system": system,
        "command": command,
        "seconds": round(seconds, 1),
        "pictures": drawn,
        "said": last_line,
    }


def main() -> None:
    """Run the commands that have no row."""
    options = arguments(__doc__ or "").parse_args()
    result = Result("pictures", quick=options.quick)
    listed = commands()
    for system in [] if options.report else list(listed)[: 1 if options.quick else None]:
        if not result.has(system=system, command=listed[system]):
            result.add(draw(system, listed[system], options.quick))
    # Ignore rows of commands that the page no longer has.
    rows = [row for row in result.rows if row["command"] == listed.get(row["system"])]
    result.bar(
        "commands without a picture",
        len(listed) - sum(bool(row["pictures"]) for row in rows),
        "<=",
        0,
    )
    if rows:
        result.bar("longest, seconds", max(row["seconds"] for row in rows), "<=", BAR)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
