"""Run one process of `test_launch`: train with every callback and print the result."""

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from advlearn.core import distributed
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint
from advlearn.training.early_stopping import EarlyStopping
from advlearn.training.ema import EMA
from advlearn.training.launch import launched, start
from advlearn.training.progress import Progress
from advlearn.training.samples import SampleGrid
from advlearn.training.tensorboard import TensorBoard
from tests.training.tiny import build


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    with launched("cpu") as device, rng.isolated(0):
        rank, world_size = distributed.rank(), distributed.world_size()
        own = folder / str(rank)
        callbacks = [
            EMA(0.9),
            EarlyStopping(lambda trainer: float(rank * trainer.step), every=2, patience=2),
            Progress(0.0, (folder / f"progress-{rank}").open("w")),
            TensorBoard(own, every=2),
            SampleGrid(own, 5, samples=lambda: torch.rand(4, 1, 8, 8)),
            Checkpoint(own, every=4),
        ]
        trainer = build(20, callbacks, rank=rank, world_size=world_size)
        trainer.run()
        again = start("cpu")  # in an existing group it only chooses a device
        total = sum(float(p.double().sum()) for p in trainer.task.parameters())
    left = dist.is_initialized()
    files = sorted(p.name.split(".")[0] for p in own.iterdir()) if own.exists() else []
    result = {
        "rank": rank,
        "world_size": world_size,
        "device": [str(device), str(again)],
        "step": trainer.step,
    }
    print(json.dumps({**result, "total": total, "left": left, "files": files}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
