"""Train 100,000 small steps with everything on, and watch memory, files, threads and disk.

`fit` trains a perceptron GAN on digits with spectral norm, a lazy R1 penalty, a moving average,
checkpoints every 1,000 steps, pictures and TensorBoard every 500 steps, and a health report each
500 steps. `imitate` is GAIL with PPO on CartPole, with a critic that replays 3,000 transitions and
a checkpoint every 2,000 steps.

A sample is taken every 1/100 of the steps: resident memory in MiB, open file descriptors, threads,
and the bytes of the run's folder in MiB. The first fifth is left out, since caches fill there.
`growth` is the slope of a least-squares line times the steps from there on, and `noise` the
standard deviation of the samples around the line; memory and disk are flat if the growth is below
twice the noise, or below half a MiB. Logs and pictures keep every report, so they grow by design:
TensorBoard's file, `history.csv` and the pictures of samples. Their size is the column `log`, and
`disk` counts all other files.
"""

import os
import statistics
import tempfile
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from harness import Result, Row, arguments, compute, one_thread
from stable_baselines3.common.callbacks import BaseCallback

from advlearn import fit
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import load
from advlearn.imitation import imitate
from advlearn.nets import MLPCritic, MLPGenerator
from advlearn.tasks.generate import Generate

STEPS, SAMPLES, WARM = 100_000, 100, 0.2
SHAPE, LATENT, HIDDEN = (1, 8, 8), 8, (32,)
SPEC = "hinge + spectral_norm + r1(every=16)"
COLUMNS = ["run", "steps", "seconds", "memory", "growth", "noise", "disk growth", "disk noise"]
COLUMNS += ["files", "threads", "log"]
Sample = dict[str, float]
LOGS = ("tfevents", "history.csv", "step-")
FIELDS = Path("/proc/self")


def sample(folder: Path) -> Sample:
    """Return what the process holds now."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    logs = {path for path in files if any(name in path.name for name in LOGS)}
    pages = int((FIELDS / "statm").read_text().split()[1])
    return {
        "memory": pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        "files": len(list((FIELDS / "fd").iterdir())),
        "threads": threading.active_count(),
        "disk": sum(path.stat().st_size for path in files if path not in logs) / 2**20,
        "log": sum(path.stat().st_size for path in logs) / 2**20,
    }


class Watch(Callback):
    """Take a sample at regular steps, and a health report."""

    def __init__(self, folder: Path, every: int) -> None:
        self.folder, self.every = folder, every
        self.samples: list[Sample] = []

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step % 500 == 0:
            for adversary in trainer.adversaries.values():
                adversary.health()
        if trainer.step % self.every == 0:
            self.samples.append(sample(self.folder))


class ImitationWatch(BaseCallback):
    """Take a sample at regular environment steps."""

    def __init__(self, folder: Path, every: int) -> None:
        super().__init__()
        self.folder, self.every = folder, every
        self.samples: list[Sample] = []

    def _on_step(self) -> bool:
        if self.num_timesteps // self.every > len(self.samples):
            self.samples.append(sample(self.folder))
        return True


def train(run: str, folder: Path, steps: int) -> list[Sample]:
    """Train a run and return its samples."""
    every = max(steps // SAMPLES, 1)
    if run == "imitate":
        watch = ImitationWatch(folder, every)
        imitate(
            "cartpole",
            steps=steps,
            out=folder,
            save_every=2000 // 16,  # steps of each of the 16 environments
            critic_replay_size=3000,
            callbacks=[watch],
            quiet=True,
        )
        return watch.samples
    task = Generate(MLPGenerator(LATENT, SHAPE, HIDDEN), latent=LATENT, shape=SHAPE)
    watcher = Watch(folder, every)
    fit(
        task,
        SPEC,
        load("digits"),
        critic=MLPCritic(SHAPE, hidden=HIDDEN),
        steps=steps,
        batch_size=32,
        save_every=1000,
        picture_every=500,
        device="cpu",
        callbacks=[watcher],
        out=folder,
    )
    return watcher.samples


def line(values: list[float]) -> tuple[float, float]:
    """Return the growth along a least-squares line, and the deviation from it."""
    times = list(range(len(values)))
    slope, start = statistics.linear_regression(times, values)
    rest = [v - start - slope * t for t, v in zip(times, values, strict=True)]
    return slope * (len(values) - 1), statistics.pstdev(rest)


def watched(run: str, quick: bool) -> Row:
    """Return one row."""
    steps = 20 if quick else STEPS
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        samples = train(run, Path(folder), steps)
    late: list[Sample] = samples[int(WARM * len(samples)) :]
    found: dict[str, Any] = {"run": run, "steps": steps}
    found["seconds"] = round(time.process_time() - began, 1)
    found["memory"] = late[-1]["memory"]
    found["growth"], found["noise"] = line([s["memory"] for s in late])
    found["disk growth"], found["disk noise"] = line([s["disk"] for s in late])
    for name in ("files", "threads"):
        found[name] = max(s[name] for s in late) - late[0][name]
    return {**found, "log": late[-1]["log"]}


def bars(result: Result) -> None:
    """Add the required bars."""
    for row in result.rows:
        for name, growth, noise in (
            ("memory", row["growth"], row["noise"]),
            ("disk", row["disk growth"], row["disk noise"]),
        ):
            limit = max(2 * noise, 0.5)
            result.bar(f"{row['run']}: growth of {name} over its limit", growth / limit, "<=", 1)
        result.bar(f"{row['run']}: more file descriptors than at first", row["files"], "<=", 0)
        result.bar(f"{row['run']}: more threads than at first", row["threads"], "<=", 0)


def main() -> None:
    """Compute the rows that are missing."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("soak", quick=options.quick)
    todo = [{"run": run} for run in ("fit", "imitate")]
    compute(result, partial(watched, quick=options.quick), [] if options.report else todo, 1)
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
