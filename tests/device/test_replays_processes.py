"""Test that several processes replay steps together, equal to eager steps, or not at all."""

import re
import warnings
from functools import partial
from typing import Any, final

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from advlearn.core import distributed
from advlearn.core.adversary import Adversary
from advlearn.core.trainer import Trainer
from advlearn.data import ArrayDataset, batches
from advlearn.data.batches import StreamedBatches
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.tasks.generate import Generate
from advlearn.testing import check_capturable
from advlearn.testing._operator_graphs import OperatorGraphs
from advlearn.testing._replays import (
    Curves,
    both,
    differences,
    game,
    replays,
    train,
    without_host_exchanges,
)
from tests.device.failing import FailingGraphs
from tests.device.test_capture import REFUSED
from tests.device.test_games import CROSSED, GENERATE
from tests.head.spawned import Results, in_two_processes
from tests.head.test_sharded import sharded
from tests.training.tiny import same

CPU = torch.device("cpu")
FEW = [
    ("wgan-gp", GENERATE),
    ("hinge + r1(every=3)", GENERATE),
    *((name, GENERATE) for name in ("mmd", "r3gan", "ragan", "began", "nsgan + ada")),
]


def equal(objective: str, form: str, rank: int, world: int) -> Results:
    with without_host_exchanges():
        check_capturable(game(objective, form))
        eager, replayed = both(objective, form)
    assert replays(replayed) >= 1
    return {"differences": differences(eager, replayed)}


def results(games: list[tuple[str, str]]) -> list[dict[str, Results | str]]:
    return in_two_processes({f"{o} {form}": partial(equal, o, form) for o, form in games})


def failures(games: list[tuple[str, str]]) -> list[str]:
    first, second = results(games)
    return [
        f"{name}: {found}"
        for each in (first, second)
        for name, found in each.items()
        if found != {"differences": []}
    ]


def test_replayed_steps_of_two_processes_equal_eager_ones() -> None:
    assert failures(FEW) == []


@pytest.mark.slow
def test_replayed_steps_of_two_processes_equal_eager_ones_in_every_game() -> None:
    assert failures([(o, form) for o, form in CROSSED if o not in REFUSED]) == []


@final
class Peculiar(nn.Module):
    """Generate from a linear layer, and read a value on the host in the second process."""

    def __init__(self, reads: bool) -> None:
        super().__init__()
        self.reads = reads
        self.layer = nn.Linear(2, 2)

    def forward(self, z: Tensor) -> Tensor:
        samples: Tensor = self.layer(z)
        return samples * (1 + 0 * samples.sum().item()) if self.reads else samples


@final
class Sizes:
    """Draw batches of changing sizes, and perhaps say that they do not change."""

    def __init__(self, sizes: list[int], same_shapes: bool = True) -> None:
        self.sizes = iter(sizes)
        self.same_shapes = same_shapes

    def __next__(self) -> tuple[Tensor, ...]:
        return (torch.ones(next(self.sizes), 2),)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None: ...


def peculiar(
    graphs: Any, reads: bool, sizes: list[int] | None, same_shapes: bool = True
) -> Trainer:
    torch.manual_seed(0)
    rank, world = distributed.rank(), distributed.world_size()
    task = Generate(Peculiar(reads), latent=2, shape=(2,))
    data = batches(ArrayDataset(torch.randn(16, 2)), 8, rank=rank, world_size=world)
    stream: Any = data if sizes is None else Sizes(sizes, same_shapes)
    critic = nn.Linear(2, 1)
    run = Trainer(task, {"data": Adversary(critic, "hinge")}, stream, steps=8, callbacks=[Curves()])
    train(run, graphs)
    return run


def disagree(how: str, rank: int, world: int) -> Results:
    """Train processes of which one cannot replay; return the reason and both curves."""

    sizes = {"in time": [4, 4, 5 - rank, *5 * [4]], "late": [4, 4, 4, 4, 4, 5, 4, 4]}.get(how)
    graphs = FailingGraphs(CPU) if how == "fails" else OperatorGraphs(CPU)
    with without_host_exchanges(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        found = peculiar(graphs, how == "reads" and rank == 1, sizes)
        eager = peculiar(None, False, sizes)
    assert found.captured is not None and found.captured.replays == 0
    return {
        "reason": found.captured.reason,
        "equal": found.callbacks[0].rows == eager.callbacks[0].rows,  # type: ignore[attr-defined]
        "state": same(found.task.state_dict(), eager.task.state_dict()),
    }


def refuse(rank: int, world: int) -> Results:
    critic = sharded(nn.Linear(2, 1), world, layers=False)
    return {
        "gloo": distributed.reason_against_capture([], torch.device("cuda")),
        "sharded": distributed.reason_against_capture([critic], torch.device("cuda")),
        "gloo on a CPU": distributed.reason_against_capture([], CPU),
    }


def own_stream(rank: int, world: int) -> Results:
    """Train on batches that shrink at the end of an epoch, in all processes."""
    sizes = [4, 4, 4, 4, 4, 2, 4, 4]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = peculiar(OperatorGraphs(CPU), False, sizes, same_shapes=False)
    return {"step": found.step, "told": [str(w.message) for w in caught]}


def other_capture(rank: int, world: int) -> Results:
    game("nsgan", GENERATE, capture=bool(rank)).run()
    return {}


REASONS = {
    "reads": r"rank 1: aten._local_scalar_dense reads a value on the host at test_replays",
    "fails": "rank 1: no memory for a graph$",
    "in time": r"rank [01]: the batches of several processes change their shape",
}


@pytest.fixture(scope="module")
def differing() -> list[dict[str, Results | str]]:
    """Run all jobs at once, since starting processes takes longer than the jobs."""
    jobs: dict[str, Any] = {how: partial(disagree, how) for how in (*REASONS, "late")}
    more: dict[str, Any] = {"refuse": refuse, "own stream": own_stream, "capture": other_capture}
    return in_two_processes({**jobs, **more})


@pytest.mark.parametrize("how", REASONS)
def test_processes_continue_eagerly_together(
    how: str, differing: list[dict[str, Results | str]]
) -> None:
    for found in (each[how] for each in differing):
        assert isinstance(found, dict), found
        assert re.match(REASONS[how], found["reason"])
        assert found["equal"] and found["state"]


def test_a_late_change_of_shapes_is_refused(differing: list[dict[str, Results | str]]) -> None:
    for each in differing:
        assert each["late"] == (
            "ValueError: capture: expected batches of one shape in several processes, got "
            "[(5, 2)] after [(4, 2)]; make them equal, as by padding or drop_last=True, or pass "
            "capture=False"
        )


def test_batches_of_the_users_stream_may_change_their_shape(
    differing: list[dict[str, Results | str]],
) -> None:
    for found in (each["own stream"] for each in differing):
        assert isinstance(found, dict) and found["step"] == 8, found
        assert (
            "capture: rank 0: your own stream or collate_fn may change the shape of batches"
            in found["told"][0]
        )


def test_collectives_that_no_graph_holds_are_refused(
    differing: list[dict[str, Results | str]],
) -> None:
    for each in differing:
        assert each["refuse"] == {
            "gloo": "several processes exchange gradients by gloo, through the host; use nccl",
            "sharded": "FSDP2 gathers and frees the weights of a sharded module in each step",
            "gloo on a CPU": None,
        }


def test_processes_with_another_capture_are_refused(
    differing: list[dict[str, Results | str]],
) -> None:
    for each in differing:
        assert str(each["capture"]).startswith(
            "ValueError: processes: expected the same capture in every process, got False in rank 0"
        )


@pytest.mark.parametrize("own", [False, True])
def test_a_loader_has_batches_of_one_shape_unless_the_user_collates(own: bool) -> None:
    collation: dict[str, Any] = {"collate_fn": lambda items: items[0]} if own else {}
    loader = DataLoader(TensorDataset(torch.zeros(8, 2)), batch_size=4, **collation)
    source = StreamedDataset(loader.dataset, "mine", (2,), loader=loader)
    assert StreamedBatches(source).same_shapes is not own
