"""Test that all processes of a run raise together."""

from functools import partial
from pathlib import Path

import torch

from advlearn.core.finite import NonFiniteError
from advlearn.core.trainer import Callback, Trainer
from advlearn.training import rng
from advlearn.training.checkpoint import Checkpoint, load
from tests.head.spawned import Results, in_two_processes
from tests.training.tiny import build


class PoisonOneBuffer(Callback):
    """Set a buffer, which is not shared between processes, to NaN in one process."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 10 and torch.distributed.get_rank() == self.rank:
            trainer.task.generator[1].running_mean[0] = float("nan")  # type: ignore[index]


def job(folder: Path, poisoned: int, rank: int, world: int) -> Results:
    callbacks = [PoisonOneBuffer(poisoned), Checkpoint(folder, every=5)]
    trainer = build(20, callbacks, rank=rank, world_size=world)
    with rng.isolated(0):
        try:
            trainer.run()
        except NonFiniteError as error:
            return {"error": str(error), "step": trainer.step}
    return {"error": ""}


def test_both_processes_raise_and_the_good_checkpoint_stays(tmp_path: Path) -> None:
    jobs = {str(rank): partial(job, tmp_path / str(rank), rank) for rank in (0, 1)}
    results = in_two_processes(jobs)
    own, other = (
        "generator.1.running_mean is not finite",
        "a value of another process is not finite",
    )
    for rank in (0, 1):
        for process in (0, 1):
            result = results[process][str(rank)]
            assert isinstance(result, dict), result
            assert result["step"] == 10
            assert result["error"].startswith(f"step 10: {own if rank == process else other}; ")
            assert result["error"].endswith("checkpoint.pt (step 5)")
        assert load(tmp_path / str(rank))["trainer"]["step"] == 5
