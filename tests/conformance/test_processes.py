"""Test that two processes equal one on the joint batch, for every name."""

from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from advlearn.core import distributed
from advlearn.testing._found import chains
from advlearn.testing._processes import Case, Difference, compare
from tests.processes import preload, run_in_processes

PLAIN = [Case(spec) for spec in chains()]
LABELLED = [
    Case(f"hinge + {name}", labelled=True)
    for name in ("gradient_penalty", "instance_noise", "consistency")
]
WEIGHTED = [Case(spec, weighted=True) for spec in ("nsgan", "hinge + r1", "rpgan", "ragan", "ebm")]


@pytest.fixture(scope="module")
def differences() -> dict[Case, Difference]:
    """Run all cases at once, since starting processes takes longer than the cases."""
    preload()
    return compare([*PLAIN, *LABELLED, *WEIGHTED])


@pytest.mark.parametrize(
    "case", [*PLAIN, *LABELLED], ids=lambda c: f"{c.spec}{' labelled' * c.labelled}"
)
def test_two_processes_equal_one(case: Case, differences: dict[Case, Difference]) -> None:
    found = differences[case]
    assert not found.error and found.relative < 1e-9, found


@pytest.mark.parametrize("case", WEIGHTED, ids=lambda c: c.spec)
def test_weights_with_different_sums_per_process_count_equally(
    case: Case, differences: dict[Case, Difference]
) -> None:
    found = differences[case]
    assert not found.error and found.relative < 1e-9, found


def _averages_in_the_layout_of_the_parameter(rank: int, rendezvous: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{rendezvous}", rank=rank, world_size=2)
    weight = torch.nn.Parameter(
        torch.zeros(4, 3, 5, 5).contiguous(memory_format=torch.channels_last)
    )
    gradient = torch.arange(weight.numel()).view_as(weight).float() * (rank + 1)
    weight.grad = gradient.contiguous(memory_format=torch.channels_last)
    distributed.average_gradients([weight])
    assert torch.equal(weight.grad, gradient / (rank + 1) * 1.5)
    assert weight.grad.stride() == weight.stride()
    dist.destroy_process_group()


def test_averaged_gradients_keep_the_layout_of_their_parameter(tmp_path: Path) -> None:
    # A fused Adam on a CPU reads memory in its layout: another layout would silently change the
    # wrong weights.
    run_in_processes(_averages_in_the_layout_of_the_parameter, (str(tmp_path / "rendezvous"),))
