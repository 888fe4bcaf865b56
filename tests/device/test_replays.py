"""Test on a CPU that training by replayed steps equals eager training, bit for bit."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import advlearn
from advlearn import Adversary
from advlearn.core.capture import CapturedSteps, captured_by
from advlearn.core.trainer import Callback, Trainer
from advlearn.data import ArrayDataset, batches
from advlearn.nets.families.progan import ProGANCritic, ProGANGenerator
from advlearn.tasks.generate import Generate
from advlearn.testing._operator_graphs import OperatorGraphs
from advlearn.testing._replays import STEPS, Curves, both, differences, game, replays, train
from advlearn.training.device import precision
from advlearn.training.stacked_runs import StackedRuns
from tests.device.failing import FailingGraphs
from tests.device.test_capture import REFUSED
from tests.device.test_games import CROSSED, GENERATE
from tests.training.tiny import same

CPU = torch.device("cpu")
REPLAYED = [(o, form) for o, form in CROSSED if o not in REFUSED]


@pytest.mark.parametrize(("objective", "form"), REPLAYED)
def test_replayed_training_equals_eager_training(objective: str, form: str) -> None:
    eager, replayed = both(objective, form)
    assert replays(replayed) >= 1
    assert differences(eager, replayed) == []


@pytest.mark.parametrize("settings", [{"schedule": "linear"}, {"accumulate": 2}], ids=str)
def test_settings_of_the_trainer_keep_replays_equal(settings: dict[str, Any]) -> None:
    eager, replayed = both("nsgan", GENERATE, **settings)
    assert replays(replayed) >= STEPS - 4
    assert differences(eager, replayed) == []


def test_a_replay_computes_the_operators_again() -> None:
    total, x = torch.zeros(2), torch.ones(2)
    replay = OperatorGraphs(CPU).capture(lambda: total.add_((x * 2).unsqueeze(0).squeeze_(0)))
    assert total.tolist() == [0, 0]
    x.fill_(3)
    replay()
    replay()
    assert total.tolist() == [12, 12]


def test_a_read_on_the_host_cannot_be_recorded() -> None:
    total = torch.zeros(2)

    def step() -> None:
        total.add_(1)
        total.sum().item()

    with pytest.raises(RuntimeError, match="_local_scalar_dense"):
        OperatorGraphs(CPU).capture(step)
    assert total.tolist() == [0, 0]


class Counting(nn.Module):
    """Generate from a linear layer, and count its calls in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.calls = 0

    def forward(self, z: Tensor) -> Tensor:
        self.calls += 1
        return self.layer(z) * (1.0 if self.calls < 8 else 2.0)


def test_replays_that_differ_from_eager_steps_are_noticed() -> None:
    """The stand-in runs no Python in a replay, as a graph: a count of the module stands still."""

    def trained(graphs: OperatorGraphs | None) -> list[dict[str, float]]:
        torch.manual_seed(0)
        task = Generate(Counting(), latent=2, shape=(2,))
        stream = batches(ArrayDataset(torch.randn(16, 2)), 8)
        run = Trainer(task, {"data": Adversary(nn.Linear(2, 1), "hinge")}, stream, steps=12)
        run.callbacks = game("nsgan", GENERATE).callbacks
        return train(run, graphs)

    expected, found = trained(None), trained(OperatorGraphs(CPU))
    assert found[:6] == expected[:6] and found != expected


@pytest.mark.parametrize("operator", [1, 40, 90, 140, None])
def test_a_failed_capture_continues_eagerly_with_equal_results(operator: int | None) -> None:
    eager, failed = game("hinge + r1(every=3)", GENERATE), game("hinge + r1(every=3)", GENERATE)
    expected = train(eager)
    with pytest.warns(UserWarning, match="capture: no memory for a graph; the run continues"):
        assert train(failed, FailingGraphs(CPU, operator=operator)) == expected
    assert same(eager.state_dict(), failed.state_dict()) and replays(failed) == 0
    assert (failed.step, failed.adversaries["data"].steps_done) == (STEPS, STEPS)


@pytest.mark.parametrize("objective", ["hinge + r1", "wgan-gp"])
def test_replays_under_bf16_equal_eager_steps(objective: str) -> None:
    with precision("bf16"):
        eager, replayed = both(objective, GENERATE)
    assert replays(replayed) >= STEPS - 4
    assert differences(eager, replayed) == []


class Grow(Callback):
    """Grow both networks between steps."""

    def on_step(self, trainer: Trainer) -> None:
        for module in (trainer.task.generator, trainer.adversaries["data"].critic):
            module.grow(min(1.0, trainer.step / 40))


def test_growing_networks_are_captured_again() -> None:
    def trained(graphs: OperatorGraphs | None) -> tuple[Trainer, list[dict[str, float]]]:
        torch.manual_seed(0)
        task = Generate(ProGANGenerator(4, (1, 8, 8), 4), latent=4, shape=(1, 8, 8))
        adversary = Adversary(ProGANCritic((1, 8, 8), 4), "wgan-gp", critic_steps=1)
        stream = batches(ArrayDataset(torch.rand(16, 1, 8, 8)), 8)
        run = Trainer(task, {"data": adversary}, stream, steps=60, callbacks=[Curves(), Grow()])
        return run, train(run, graphs)

    (eager, expected), (replayed, found) = trained(None), trained(OperatorGraphs(CPU))
    assert found == expected
    assert same(eager.state_dict(), replayed.state_dict())
    # Two usual steps and a recorded one before the replays of each of four kinds, at most.
    assert replays(replayed) >= 60 - 4 * 4


def stacked(objective: str, graphs: bool) -> list[Any]:
    """Return what three stacked runs end with: states, losses and counts."""
    prepare, captured = StackedRuns._stacked, list[CapturedSteps | None]()

    def prepared(self: StackedRuns) -> Any:
        context = prepare(self)
        self.games.trainer.hold_on_device(CPU)
        if graphs:
            recorder = OperatorGraphs(CPU, self.games.level.generators)
            self._captured = captured_by(self.games.learn, self.games.trainer, recorder)
            captured.append(self._captured)
        return context

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StackedRuns, "_stacked", prepared)
        runs: Any = advlearn.fit(
            GENERATE, objective, "ring", seeds=[0, 1, 2], steps=16, device="cpu", callbacks=()
        )
    assert not graphs or (captured[0] is not None and captured[0].replays >= 10)
    return [(r.trainer.state_dict(), r.trainer.last_losses(), r.trainer.step) for r in runs]


@pytest.mark.parametrize("objective", ["wgan-gp", "hinge + r1(every=3)"])
def test_replayed_steps_of_stacked_runs_equal_eager_ones(objective: str) -> None:
    assert same(stacked(objective, graphs=True), stacked(objective, graphs=False))
