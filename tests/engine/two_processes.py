"""What each of two processes does in `test_launch`: train together with every watcher, say how it ended."""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from advlearn.core import processes
from advlearn.engine import rng
from advlearn.engine.average import Average
from advlearn.engine.checkpoint import Checkpoint
from advlearn.engine.early_stop import EarlyStop
from advlearn.engine.launch import launched, start
from advlearn.engine.progress import Progress
from advlearn.engine.samples import SampleGrid
from advlearn.engine.tensorboard import TensorBoard
from tests.engine.tiny import build


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with launched("cpu") as device, rng.isolated(0):
        rank, world = processes.rank(), processes.world()
        own = folder / str(rank)
        callbacks = [
            Average(0.9),
            EarlyStop(lambda trainer: float(rank * trainer.step), every=2, patience=2),
            Progress(0.0, (folder / f"progress-{rank}").open("w")),
            TensorBoard(own, every=2),
            SampleGrid(own, 5, samples=lambda: torch.rand(4, 1, 8, 8)),
            Checkpoint(own, every=4),
        ]
        trainer = build(20, callbacks, rank=rank, world=world)
        trainer.run()
        again = start("cpu")  # in a group that is there already, only a choice of device
        total = sum(float(p.double().sum()) for p in trainer.task.parameters())
    left = dist.is_initialized()
    files = sorted(p.name.split(".")[0] for p in own.iterdir()) if own.exists() else []
    said = {"rank": rank, "world": world, "device": [str(device), str(again)], "step": trainer.step}
    print(json.dumps({**said, "total": total, "left": left, "files": files}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
