"""Inject 200 faults into small runs of `fit` and `imitate`, and compare what they end with.

A trial trains one run in a forked process with a fault, then makes the same call again without the
fault, and compares the final checkpoint with that of a run that had no fault: every tensor and
every number, by SHA-256. The moments are drawn from a generator seeded by the trial's number; a
signal comes after a random share of the time of the run without a fault.

The runs are `fit` (a generator of digits, 60 steps, a checkpoint every 7, pictures and TensorBoard
every 20), `loader` (the same from a DataLoader with two workers), `group` (the same in two gloo
processes), `ppo`, `dqn` and `subproc` (GAIL on CartPole, 1,024 steps, a checkpoint every 128;
`subproc` has two environments in two processes).

The faults: SIGKILL at a random instant; SIGKILL in a save, with half of the file written, before
the renaming or after it; a full disk (a limit of 64 bytes on every file, for 12 steps or for good);
a folder without write permission; a deleted folder; a flipped bit or a truncated end of the
checkpoint of a killed run; a second process that trains in the same folder; a killed worker of the
DataLoader or the environments; a killed process of a group; an error in a callback; an error in an
environment; SIGTERM; and Ctrl-C to the whole process group.

`fired` counts the trials in which the fault came before the end. A trial is `exact` if its last
call ends with the same bits. It is `lost` if the last call fails, or starts from the first step
though the folder had a checkpoint before the fault; a damaged file may be refused, with a line that
names it, and is then removed. It is `different` if it ends with other bits. `line` is the error
that one of the faults left.
"""

import json
import os
import random
import re
import signal
import tempfile
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, final

import torch
from fault_runs import IMITATION_STEPS, STEPS, Fault, child, second_ended
from harness import Result, Row, arguments, one_thread
from resume import digest

from advlearn.training.checkpoint import NAME

# Kind of fault to its trials by run.
TRIALS = {
    "kill at an instant": {"fit": 12, "loader": 4, "group": 3, "ppo": 6, "dqn": 6, "subproc": 3},
    "kill in a save": {"fit": 12, "ppo": 6, "dqn": 6},
    "full disk": {"fit": 10, "ppo": 4, "dqn": 4},
    "read-only folder": {"fit": 6, "ppo": 3, "dqn": 3},
    "deleted folder": {"fit": 6, "ppo": 4, "dqn": 4},
    "flipped bit": {"fit": 10, "ppo": 4, "dqn": 4},
    "truncated file": {"fit": 6, "ppo": 3, "dqn": 3},
    "two writers": {"fit": 5, "ppo": 3, "dqn": 2},
    "killed worker": {"loader": 6, "subproc": 6},
    "killed rank": {"group": 5},
    "raising callback": {"fit": 6, "ppo": 3, "dqn": 3},
    "raising environment": {"ppo": 5, "dqn": 5},
    "SIGTERM": {"fit": 6, "loader": 2, "ppo": 3, "dqn": 3},
    "Ctrl-C to the group": {"fit": 4, "loader": 4, "ppo": 2, "dqn": 2, "subproc": 5},
}
SIGNALS = {
    "kill at an instant": signal.SIGKILL,
    "SIGTERM": signal.SIGTERM,
    "Ctrl-C to the group": signal.SIGINT,
}
COLUMNS = ["fault", "run", "trials", "fired", "exact", "lost", "different", "line"]
# Keys of times in a checkpoint: "t" is the end of an episode on the clock.
TIMES = ("t", "seconds")
# Longest time of a process, in seconds: one that hangs counts as lost.
PATIENCE = 300.0


@final
@dataclass
class Life:
    """Hold the forked processes of one call, two for a group.

    Args:
        pids: The processes.
        pipe: File descriptor from which the first step is read.
        log: Output of the processes.
    """

    pids: list[int]
    pipe: int
    log: Path
    first: int = -1

    @classmethod
    def start(cls, run: str, folder: Path, fault: Fault) -> "Life":
        """Fork the processes of a run."""
        number = len(list(folder.parent.glob("*.log")))
        log = folder.parent / f"{number}.log"
        log.touch()
        reader, writer = os.pipe()
        pids: list[int] = []
        for rank in range(2 if run == "group" else 1):
            pid = os.fork()
            if not pid:
                os.close(reader)
                child(run, folder, fault, writer, log, rank)
            pids.append(pid)
        os.close(writer)
        return cls(pids, reader, log)

    def ready(self) -> None:
        """Wait for the first step, or the end."""
        line = b""
        while not line.endswith(b"\n"):
            part = os.read(self.pipe, 1)
            if not part:
                return
            line += part
        self.first = int(line)

    def end(self) -> list[int]:
        """Wait for the processes; return their exit codes, negative for a signal."""
        if self.first < 0:
            self.ready()
        codes = [self._code(pid) for pid in self.pids]
        os.close(self.pipe)
        return codes

    def _code(self, pid: int) -> int:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.02)
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return -int(signal.SIGALRM)

    def signal(self, number: int) -> None:
        """Send a signal: Ctrl-C to the whole group of each process, others to the process."""
        for pid in self.pids[:1] if number == signal.SIGKILL else self.pids:
            (os.killpg if number == signal.SIGINT else os.kill)(pid, number)

    def line(self) -> str:
        """Return the error that ended a process, or an empty string."""
        for rank in range(len(self.pids)):
            report = self.log.with_suffix(f".{rank}.json")
            if report.exists():
                found = json.loads(report.read_text())
                return f"{found['error']}: {found['line']}"
        return ""


@cache
def reference(run: str) -> tuple[str, float]:
    """Return the final bits of a run without a fault, and its seconds from the first step on."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = place(scratch)
        life = Life.start(run, folder, Fault())
        life.ready()
        began = time.monotonic()
        codes = life.end()
        if any(codes):
            raise RuntimeError(f"{run} failed without a fault: {life.line() or codes}")
        return bits(folder), time.monotonic() - began


def place(scratch: str) -> Path:
    """Return the folder of a run, which a user without rights may write to."""
    os.chmod(scratch, 0o777)
    folder = Path(scratch) / "out"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    return folder


def bits(folder: Path) -> str:
    """Return the digest of a folder's checkpoint without the times in it."""
    payload = torch.load(folder / NAME, weights_only=True)
    return digest(_without_times(payload))


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_times(v) for k, v in value.items() if k not in TIMES}
    return [_without_times(v) for v in value] if isinstance(value, list | tuple) else value


def trial(kind: str, run: str, number: int) -> Row:
    """Return what became of one run with one fault."""
    draw = random.Random(f"{kind} {run} {number}")
    whole, seconds = reference(run)
    with tempfile.TemporaryDirectory() as scratch:
        folder = place(scratch)
        fault = Fault(kind, draw.randrange(2, STEPS - 12), draw.randrange(3))
        if kind == "kill in a save":
            fault = Fault(kind, draw.randrange(1, 7), draw.randrange(3))
        if kind == "full disk":
            fault = Fault(kind, fault.at, fault.phase % 2)
        if kind in ("flipped bit", "truncated file"):
            fault = Fault("stopped for good", draw.randrange(20, STEPS - 2))
        life = Life.start(run, folder, fault)
        line = interfere(life, kind, run, folder, seconds * draw.random())
        codes = life.end()
        line = line or life.line()
        folder.mkdir(exist_ok=True)
        folder.chmod(0o777)
        kept = saved_step(folder)
        done = codes == [0] * len(codes)
        if kind in ("flipped bit", "truncated file") and (folder / NAME).exists():
            damage(folder / NAME, kind, draw)
        again, said = finish(run, folder)
        found = {"fired": bool(line) or not done or kind in FIRES, "line": line or said}
        if again is None:
            return {**found, "exact": False, "lost": True, "different": False}
        anew = again == 0 and kept > 0 and not done
        same = bits(folder) == whole
        return {**found, "exact": same, "lost": anew, "different": not same}


# Faults after which a run goes to its end.
FIRES = ("deleted folder", "full disk", "read-only folder", "flipped bit", "truncated file")


def interfere(life: Life, kind: str, run: str, folder: Path, seconds: float) -> str:
    """Send a signal, or start a second writer; return the error of the second writer."""
    life.ready()
    if kind == "two writers":
        second = Life.start(run, folder, Fault())
        codes = second.end()
        second_ended(folder).touch()
        return second.line() if any(codes) else ""
    if kind in SIGNALS:
        time.sleep(seconds)
        life.signal(SIGNALS[kind])
    return ""


def saved_step(folder: Path) -> int:
    """Return the last step that a checkpoint in the folder has, or 0."""
    steps = [0]
    for path in folder.glob(f"{Path(NAME).stem}*.pt"):
        payload = torch.load(path, weights_only=True)
        steps.append(payload["steps"] if "steps" in payload else payload["trainer"]["step"])
    return max(steps)


def damage(path: Path, kind: str, draw: random.Random) -> None:
    """Flip one bit of a file, or cut off its end."""
    content = bytearray(path.read_bytes())
    if kind == "flipped bit":
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    else:
        del content[draw.randrange(len(content)) :]
    path.write_bytes(bytes(content))


def finish(run: str, folder: Path) -> tuple[int | None, str]:
    """Make the same call without a fault; return its first step, or None if it fails, and a line.

    A refused file is removed once, as its message asks, and the call is made again.
    """
    said = ""
    for _ in range(2):
        life = Life.start(run, folder, Fault())
        if not any(life.end()):
            return max(life.first, 0) if life.first >= 0 else complete(run), said
        said = life.line()
        if NAME not in said:
            break
        (folder / NAME).unlink(missing_ok=True)
    return None, said


def complete(run: str) -> int:
    """Return the last step of a run: a call that finds a finished run makes no step."""
    return STEPS if run in ("fit", "loader", "group") else IMITATION_STEPS


def row(fault: str, run: str, quick: bool) -> Row:
    """Return the sums over all trials of a fault and a run."""
    count = 1 if quick else TRIALS[fault][run]
    trials = [trial(fault, run, number) for number in range(count)]
    sums = {name: sum(t[name] for t in trials) for name in ("fired", "exact", "lost", "different")}
    line = next((t["line"] for t in trials if t["line"]), "")
    return {"fault": fault, "run": run, "trials": count, **sums, "line": without_places(line)}


def without_places(line: str) -> str:
    """Return a message without the temporary folder's path."""
    return re.sub(rf"{re.escape(tempfile.gettempdir())}/[^'\s]*/", "", line)


def bars(result: Result) -> None:
    """Add the required bars."""

    def total(name: str) -> int:
        return sum(row[name] for row in result.rows)

    if result.rows:
        result.bar("faults", total("trials"), ">=", 1 if result.quick else 200)
        result.bar("lost runs", total("lost"), "==", 0)
        result.bar("silent differences", total("different"), "==", 0)
        result.bar("exact, of all", total("exact") / total("trials"), "==", 1)


def main() -> None:
    """Compute the rows that are missing."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", choices=TRIALS, default=TRIALS, metavar="FAULT")
    options = parser.parse_args()
    one_thread()
    result = Result("faults", quick=options.quick)
    todo: list[tuple[str, str]] = [(kind, run) for kind in options.only for run in TRIALS[kind]]
    if options.quick:
        todo = [("kill in a save", "fit")]
    for kind, run in [] if options.report else todo:
        if not result.has(fault=kind, run=run):
            result.add(row(kind, run, options.quick))
            print(json.dumps(result.rows[-1]), flush=True)
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
