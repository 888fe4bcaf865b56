"""One of several processes reports on its head by itself, with no other process taking part."""

from datetime import timedelta
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import nn

from advlearn.core import distributed
from advlearn.core.adversary import Adversary
from tests.processes import run_in_processes

SPECS = [
    "nsgan + feature_matching",
    "mmd-gan",
    "r3gan + pulling_away",
    "wgan-gp + consistency + instance_noise",
    "nsgan + image_pool",
]


def _reports_in_the_first_process(rank: int, meet: str) -> None:
    torch.set_num_threads(1)
    # A process that waits for the other one fails after this time.
    dist.init_process_group(
        "gloo",
        init_method=f"file://{meet}",
        rank=rank,
        world_size=2,
        timeout=timedelta(seconds=30),
    )
    torch.manual_seed(rank)
    for spec in [*SPECS, "hinge"]:
        # In a function, so that the last model dies before the group: a DistributedDataParallel
        # that outlives its group ends Gloo's threads while it holds the interpreter's lock, which
        # one of them may be waiting for.
        _report_between_two_updates(spec, rank)
    dist.barrier()
    dist.destroy_process_group()


def _report_between_two_updates(spec: str, rank: int) -> None:
    out = 4 if spec == "mmd-gan" else 1
    critic: nn.Module = nn.Sequential(
        nn.Linear(3, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, out)
    )
    if spec == "hinge":
        critic = nn.parallel.DistributedDataParallel(critic)
    adversary = Adversary(critic, spec)
    real, fake = torch.randn(8, 3), (torch.randn(8, 3) + 1).requires_grad_()
    adversary.update(real, fake)
    adversary.player_loss(real, fake)
    if rank == 0:
        health = adversary.health()
        assert health.verdict and distributed.world_size() == 2
    # The collectives of both processes still match.
    adversary.update(real, fake)


def test_one_process_reports_by_itself(tmp_path: Path) -> None:
    run_in_processes(_reports_in_the_first_process, (str(tmp_path / "meet"),))


def test_a_block_of_one_process_ends_with_an_error() -> None:
    with pytest.raises(ZeroDivisionError), distributed.only_this_process():
        _ = 1 / 0
    assert not distributed._blocks
