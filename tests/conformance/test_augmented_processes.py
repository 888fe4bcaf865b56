"""Two processes augment and mix images as one process does with the joined batch."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from advlearn import Adversary
from tests.processes import run_in_processes

SPECS = (
    "nsgan + diff_augment + r1",
    "nsgan + ada(p=0.6, target=0, images=100, interval=1)",
    "rpgan + ada(p=0.6, boundary='fake', images=100, interval=1)",
    "hinge + lecam(decay=0.5)",
    "hinge2 + cutmix",
)
SAMPLES = 6


def train(spec: str, rows: slice) -> dict[str, Tensor]:
    """State after three critic steps on rows of the joined batch, and the gradient of the fakes."""
    torch.manual_seed(0)
    real, fake = (torch.rand(SAMPLES, 3, 8, 8, dtype=torch.float64) * 2 - 1 for _ in range(2))
    net = nn.Sequential(nn.Conv2d(3, 2, 3, 2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 1)).double()
    adversary = Adversary(net, spec, optimizer=lambda ps: torch.optim.SGD(ps, lr=0.1))
    torch.manual_seed(1)
    for _ in range(3):
        adversary.update(real[rows], fake[rows])
    shown = fake[rows].clone().requires_grad_()
    adversary.player_loss(real[rows], shown).backward()
    state = {name: v for name, v in adversary.state_dict().items() if torch.is_tensor(v)}
    assert shown.grad is not None
    return {**state, "gradient of the fakes": shown.grad}


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    half = SAMPLES // 2
    rows = slice(rank * half, (rank + 1) * half)
    torch.save([train(spec, rows) for spec in SPECS], f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> list[list[dict[str, Tensor]]]:
    """All specs at once: starting processes takes longer than training."""
    folder = tmp_path_factory.mktemp("processes")
    run_in_processes(work, (str(folder),))
    return [torch.load(Path(folder) / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.mark.parametrize("place", range(len(SPECS)), ids=SPECS)
def test_two_processes_are_one(place: int, together: list[list[dict[str, Tensor]]]) -> None:
    alone = train(SPECS[place], slice(None))
    gradients = []
    for found in together:
        # Each process has the mean over its half of the batch.
        gradients.append(found[place].pop("gradient of the fakes") / 2)
        for name, value in found[place].items():
            torch.testing.assert_close(value, alone[name], msg=name)
    torch.testing.assert_close(torch.cat(gradients), alone["gradient of the fakes"])
