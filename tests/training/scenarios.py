"""Run failing trainings, each in a process forked from one that has imported torch.

Called as ``python -m tests.training.scenarios FOLDER``; prints the exit status of each as JSON.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path

import torch

from advlearn.core.trainer import Callback, Trainer
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint, load, save
from advlearn.training.ema import EMA
from tests.training.tiny import build


class KillWhileTraining(Callback):
    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 14:
            os.kill(os.getpid(), signal.SIGKILL)


class KillWhileWriting(Callback):
    """Limit the next file to 1500 bytes; the system kills a process that writes more."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 12:
            signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # Python ignores it by default
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (1500, 1500))


class KillBeforeRename(Callback):
    """Write the next file in full without renaming it."""

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 12:
            sys.addaudithook(
                lambda event, _: (
                    os.kill(os.getpid(), signal.SIGKILL) if event == "os.rename" else None
                )
            )


KILLS = {"training": KillWhileTraining, "writing": KillWhileWriting, "rename": KillBeforeRename}


def killed(kill: Callback, folder: Path) -> None:
    with rng.isolated(5):
        build(20, [kill, EMA(0.9), Checkpoint(folder, every=5)]).run()


def full_disk(folder: Path) -> None:
    """Save with increasing but insufficient disk space; then train with too little."""
    trainer = build(20, [Checkpoint(folder, every=5)])
    trainer.callbacks[0].on_start(trainer)
    file = folder / "checkpoint.pt"
    size = file.stat().st_size
    results = [
        _refusal(lambda share=share: _save(file, trainer, share), file)
        for share in (0, 0.01, 0.5, 0.99)
    ]
    results.append(_refusal(trainer.run, file))
    _limit(resource.RLIM_INFINITY)
    (folder / "results.json").write_text(json.dumps(results))
    assert size == file.stat().st_size


def _save(file: Path, trainer: Trainer, share: float) -> None:
    _limit(int(share * file.stat().st_size))
    save(file, {"trainer": trainer.state_dict(), "rng": rng.get_state()})


def _limit(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def _refusal(act: "object", file: Path) -> list[object]:
    try:
        act()  # type: ignore[operator]
    except OSError as error:
        return [str(error), load(file)["trainer"]["step"], sorted(os.listdir(file.parent))]
    return ["it was written"]


def main(folder: Path) -> None:
    torch.set_num_threads(1)  # without threads the process can be forked
    build()  # the first optimizer imports more of torch, once for all forks
    ends = {
        name: forked(lambda kill=kill, name=name: killed(kill(), folder / name))
        for name, kill in KILLS.items()
    }
    ends["full"] = forked(lambda: full_disk(folder / "full"))
    print(json.dumps(ends))


def forked(act: "object") -> int:
    """Return the exit status of a process that calls `act`; negative for a signal."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act()  # type: ignore[operator]
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
