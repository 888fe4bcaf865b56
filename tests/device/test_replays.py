"""Test on a CPU that training by replayed steps equals eager training, bit for bit."""

import copy
from collections.abc import Callable
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


class At(Callback):
    """Do something to the trainer after a step."""

    def __init__(self, step: int, change: Callable[[Any], None]) -> None:
        self.step, self.change = step, change

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            self.change(trainer)


class RollBack(Callback):
    """Load the state of an earlier step."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.done = False

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == 4 and not self.kept:
            self.kept = copy.deepcopy(trainer.state_dict())
        if trainer.step == 9 and not self.done:
            self.done = True
            trainer.load_state_dict(copy.deepcopy(self.kept))


def set_group(name: str, value: Any) -> Callable[[Trainer], None]:
    return lambda trainer: trainer.optimizer.param_groups[0].update({name: value})


def first_weight(trainer: Trainer) -> Any:
    return next(trainer.task.parameters())


def replace_weight(trainer: Trainer) -> None:
    first_weight(trainer).data = first_weight(trainer).data * 0.5


CHANGES: dict[str, Callable[[], Callback]] = {
    "roll back": RollBack,
    "rate": lambda: At(8, set_group("lr", 0.02)),
    "betas": lambda: At(8, set_group("betas", (0.1, 0.2))),
    "weight": lambda: At(8, replace_weight),
    "freeze": lambda: At(8, lambda trainer: first_weight(trainer).requires_grad_(False)),
    "forget": lambda: At(8, lambda trainer: trainer.optimizer.state.clear()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_steps_are_captured_again_after_a_change_by_a_callback(change: str) -> None:
    objective = "hinge + r1(every=3)"
    runs = [game(objective, GENERATE, callbacks=[CHANGES[change]()], steps=18) for _ in range(2)]
    expected, found = train(runs[0]), train(runs[1], OperatorGraphs(CPU))
    assert found == expected and differences(*runs) == []
    assert replays(runs[1]) >= 5
    plain = game(objective, GENERATE, steps=18)
    assert train(plain)[:8] == expected[:8] and train(plain)[9:] != expected[9:]


class Rates(Callback):
    """Set another rate after each step."""

    def on_step(self, trainer: Trainer) -> None:
        trainer.optimizer.param_groups[0]["lr"] = 0.1 / (1 + trainer.step)


def test_changes_at_each_step_end_the_capture() -> None:
    runs = [game("nsgan", GENERATE, callbacks=[Rates()], steps=50) for _ in range(2)]
    expected = train(runs[0])
    with pytest.warns(UserWarning, match="capture: .* were replaced 17 times between steps"):
        assert train(runs[1], OperatorGraphs(CPU)) == expected


class Averaging(nn.Module):
    """Generate from a linear layer, and replace a plain tensor in each step."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(2, 2)
        self.mean = torch.zeros(2)

    def forward(self, z: Tensor) -> Tensor:
        samples: Tensor = self.layer(z)
        self.mean = 0.9 * self.mean + 0.1 * samples.detach().mean(0)
        return samples - self.mean


def test_a_module_that_replaces_an_attribute_is_not_captured() -> None:
    torch.manual_seed(0)
    task = Generate(Averaging(), latent=2, shape=(2,))
    stream = batches(ArrayDataset(torch.randn(16, 2)), 8)
    run = Trainer(task, {"data": Adversary(nn.Linear(2, 1), "hinge")}, stream, steps=8)
    run.callbacks = [Curves()]
    with pytest.warns(UserWarning, match="the step replaces the tensor 'mean'; change it in place"):
        train(run, OperatorGraphs(CPU))


def test_operators_with_several_results_are_computed_again() -> None:
    cell, x = nn.LSTM(3, 4), torch.randn(5, 2, 3)
    found = torch.zeros(5, 2, 4)
    with torch.no_grad():
        replay = OperatorGraphs(CPU).capture(lambda: found.copy_(cell(x)[0]))
        x.mul_(2)
        replay()
        assert torch.equal(found, cell(x)[0])


def test_a_failure_without_a_message_ends_the_capture_too() -> None:
    class Silent(OperatorGraphs):  # type: ignore[misc]
        def capture(self, step: Callable[[], None]) -> Callable[[], None]:
            raise RuntimeError

    runs = [game("nsgan", GENERATE) for _ in range(2)]
    expected = train(runs[0])
    with pytest.warns(UserWarning, match="capture: RuntimeError; the run continues") as warned:
        assert train(runs[1], Silent(CPU)) == expected
    assert len(warned) == 1
