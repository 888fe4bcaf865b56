"""Check that a run killed with SIGKILL twenty times, also while it saves, ends with the same bits.

Each process of the run is a fresh interpreter that continues from the previous one's checkpoint. It
saves every 20 learner steps and prints each step, so that another process can kill it at a random
step, or as soon as the temporary file of a save exists (a kill counts as one during a save if that
file remains). The moments are drawn from a seeded generator. The compared hash is a SHA-256 of the
final state: weights and buffers of model, critic and average, both optimizers, and the position in
the data. The reference is a run that is not killed.
"""

import hashlib
import itertools
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import Result, Row, arguments, one_thread
from torch import Tensor

from advlearn.core.adversary import Adversary
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import Batches, load
from advlearn.nets import MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate
from advlearn.training import checkpoint, rng
from advlearn.training.ema import EMA

STEPS, EVERY, KILLS, SEED = 1000, 20, 20, 0
SHAPE, LATENT, HIDDEN = (1, 8, 8), 16, (192, 192)
# State of every kind: power iteration in buffers, random numbers in the penalty, an average, two
# optimizers.
SPEC = "hinge + spectral_norm + gradient_penalty"
COLUMNS = ["kill", "aimed_at", "resumed_from", "step", "during_save"]


class Say(Callback):
    """Print each step for the process that kills the run."""

    def on_start(self, trainer: Trainer) -> None:
        print(trainer.step, flush=True)

    def on_step(self, trainer: Trainer) -> None:
        print(trainer.step, flush=True)


def live(folder: Path, steps: int) -> None:
    """Run one process: continue from the folder's checkpoint if any, and print the final hash."""
    one_thread()
    with rng.isolated(SEED):
        task = Generate(MLPGenerator(LATENT, SHAPE, HIDDEN), latent=LATENT, shape=SHAPE)
        adversary = Adversary(MLPCritic(SHAPE, hidden=HIDDEN), SPEC)
        watchers = [EMA(), Say(), checkpoint.Checkpoint(folder, EVERY)]
        data = Batches(load("digits"), 32, seed=SEED)
        trainer = Trainer(task, {"data": adversary}, data, steps=steps, callbacks=watchers)
        if (folder / checkpoint.NAME).exists():
            checkpoint.resume(folder, trainer)
        trainer.run()
    print(digest(trainer.state_dict()), flush=True)


def digest(state: dict[str, Any]) -> str:
    """Return the SHA-256 of nested plain values and tensors, with their keys."""
    total = hashlib.sha256()

    def feed(place: str, value: Any) -> None:
        if isinstance(value, dict):
            for key in sorted(value, key=str):
                feed(f"{place}/{key}", value[key])
        elif isinstance(value, list | tuple):
            for i, item in enumerate(value):
                feed(f"{place}/{i}", item)
        else:
            total.update(place.encode())
            bits = (
                value.contiguous().numpy().tobytes()
                if isinstance(value, Tensor)
                else repr(value).encode()
            )
            total.update(bits)

    feed("", state)
    return total.hexdigest()


class Life:
    """Hold one process of the run."""

    def __init__(self, folder: Path, steps: int) -> None:
        self.temporary = folder / f".{checkpoint.NAME}.tmp"
        command = [sys.executable, __file__, "--live", str(folder), "--steps", str(steps)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.step = self.start = int(self._line())

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().strip()
        if not line:
            raise RuntimeError(f"the run ended by itself, with status {self.process.wait()}")
        return line

    def reach(self, step: int) -> None:
        """Wait until the run prints a step."""
        while self.step < step:
            self.step = int(self._line())

    def kill(self) -> bool:
        """Kill the process; return whether a partly written file remains."""
        self.process.kill()
        self.process.wait()
        for line in self.process.stdout or ():
            if line.endswith("\n"):
                self.step = int(line)
        return self.temporary.exists()

    def end(self) -> str:
        """Wait for the end and return the hash."""
        lines = [line.strip() for line in self.process.stdout or ()]
        if self.process.wait() or not lines:
            raise RuntimeError(f"the run failed with status {self.process.returncode}")
        return lines[-1]


def kill_one(folder: Path, steps: int, k: int, moments: random.Random) -> Row:
    """Start the run, and kill it some steps later: every third time while it saves."""
    life = Life(folder, steps)
    aimed = "save" if k % 3 == 2 else "step"
    life.reach(min(life.start + moments.randint(1, 2 * EVERY), steps - EVERY - 1))
    if aimed == "save":
        life.temporary.unlink(missing_ok=True)  # left by an earlier kill
        deadline = time.monotonic() + 60
        while not life.temporary.exists() and time.monotonic() < deadline:
            pass
    time.sleep(moments.random() * 0.002)
    left = life.kill()
    row = {
        "kill": k,
        "aimed_at": aimed,
        "resumed_from": life.start,
        "step": life.step,
        "during_save": left,
    }
    life.temporary.unlink(missing_ok=True)
    return row


def strike(result: Result, steps: int, kills: int) -> None:
    """Run once without kills and once with them; add a row for each kill and one for the ends."""
    result.rows, result.seconds = [], 0.0
    moments = random.Random(SEED)
    with tempfile.TemporaryDirectory() as name:
        uninterrupted, killed = Path(name, "uninterrupted"), Path(name, "killed")
        expected = Life(uninterrupted, steps).end()
        for k in range(1, kills + 1):
            result.add(kill_one(killed, steps, k, moments))
        got = Life(killed, steps).end()
    rows = result.rows
    lost = sum(row["step"] - after["resumed_from"] for row, after in itertools.pairwise(rows))
    saves = sum(row["during_save"] for row in rows)
    hashes = {"sha256": got, "sha256_uninterrupted": expected, "identical": int(got == expected)}
    result.add(
        {"kill": "all", "steps": steps, "kills_during_save": saves, "steps_lost": lost, **hashes}
    )


def main() -> None:
    """Kill a run repeatedly, and compare its final state with that of an uninterrupted run."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--live", type=Path, help="used by this file: train in this folder")
    parser.add_argument("--steps", type=int, default=STEPS, help="learner steps of the run")
    options = parser.parse_args()
    if options.live:
        live(options.live, options.steps)
        return
    result = Result("resume", quick=options.quick)
    if not options.report:
        strike(result, *((60, 1) if options.quick else (options.steps, KILLS)))
    *kills, whole = result.rows
    result.bar("kills", len(kills), "==", KILLS)
    result.bar("identical", whole["identical"], "==", 1)
    result.save()
    result.show(COLUMNS, kills)


if __name__ == "__main__":
    main()
