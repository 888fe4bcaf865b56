from pathlib import Path
from typing import Any

import pytest
import torch

from advlearn.fitting import fit
from advlearn.metrics import information_maximisation
from advlearn.run import load
from advlearn.training import checkpoint
from advlearn.training.checkpoint import Checkpoint
from advlearn.training.ema import EMA
from advlearn.training.keep_best_model import KeepBestModel
from tests.training.tiny import build


def test_the_run_ends_with_the_best_model() -> None:
    recorded: list[torch.Tensor] = []
    values = iter([0.1, 0.7, float("nan"), 0.3])

    def measure(task: torch.nn.Module) -> float:
        recorded.append(next(task.parameters()).clone())
        return next(values)

    average, best = EMA(0.9), KeepBestModel(measure, every=5)
    build(20, [average, best]).run()
    assert (best.best, best.best_step) == (0.7, 10)
    assert torch.equal(next(average.module.parameters()), recorded[1])
    assert not torch.equal(recorded[1], recorded[3])


def test_the_best_model_survives_a_checkpoint() -> None:
    best, again = KeepBestModel(lambda _: 1.0, every=2), KeepBestModel(lambda _: 0.0, every=2)
    build(4, [EMA(0.9), best]).run()
    again.load_state_dict(best.state_dict())
    build(4, [EMA(0.9), again]).run()
    assert (again.best, again.best_step) == (1.0, 2)


def test_a_checkpoint_from_before_the_first_evaluation_resumes(tmp_path: Path) -> None:
    folder = Checkpoint(tmp_path / "run")
    run = build(4, [EMA(0.9), KeepBestModel(lambda _: 1.0, every=2), folder])
    folder.on_start(run)
    best = KeepBestModel(lambda _: 0.0, every=2)
    again = build(4, [EMA(0.9), best, Checkpoint(tmp_path / "run")])
    checkpoint.resume(tmp_path / "run", again)
    again.run()
    assert (best.best, best.best_step) == (0.0, 2)


def test_a_run_predicts_with_the_model_chosen_by_a_validator_without_labels(
    tmp_path: Path,
) -> None:
    x = torch.randn(60, 2)
    recorded: list[torch.Tensor] = []

    def sure(model: Any) -> float:
        recorded.append(model.predict(x + 1))
        # With this sign the first evaluation is the best, not the last.
        return -information_maximisation(recorded[-1])

    best = KeepBestModel(sure, every=10)
    data = ((x, (x[:, 0] > 0).long()), x + 1)
    settings = {"steps": 30, "lr": 0.01, "batch_size": 20, "device": "cpu"}
    run = fit(
        "domain_adaptation", "nsgan", data, callbacks=[best], out=tmp_path / "run", **settings
    )
    assert len(recorded) == 3 and best.best_step == 10
    assert torch.equal(run.predict(x + 1), recorded[0])
    assert torch.equal(load(tmp_path / "run").predict(x + 1), recorded[0])
    assert not torch.equal(recorded[0], recorded[-1])


class Falling:
    """A measure whose first value is the best."""

    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self, _: Any) -> float:
        self.value -= 1
        return self.value


@pytest.mark.parametrize("save_every", [3, 4, 8])
def test_the_file_holds_the_best_model_also_where_the_last_step_is_saved(
    tmp_path: Path, save_every: int
) -> None:
    x = torch.randn(40, 2)
    best = KeepBestModel(Falling(), every=2)
    settings = {"steps": 8, "lr": 0.01, "batch_size": 20, "device": "cpu"}
    run = fit(
        "generate", "nsgan", x, callbacks=[best], out=tmp_path, save_every=save_every, **settings
    )
    assert best.best_step == 2
    assert torch.equal(load(tmp_path).sample(8, seed=0), run.sample(8, seed=0))


def test_a_run_that_continues_after_its_end_averages_on_from_the_last_model(
    tmp_path: Path,
) -> None:
    x = torch.randn(40, 2)
    settings = {"lr": 0.01, "batch_size": 20, "device": "cpu"}

    def run_of(steps: int, folder: str) -> tuple[Any, KeepBestModel]:
        best = KeepBestModel(lambda model: float(abs(model.sample(50)).mean()), every=2)
        out = tmp_path / folder
        return fit("generate", "nsgan", x, callbacks=[best], out=out, steps=steps, **settings), best

    run_of(4, "both")
    again, best = run_of(12, "both")
    once, best_once = run_of(12, "once")
    assert (best.best, best.best_step) == (best_once.best, best_once.best_step)
    assert torch.equal(again.sample(8, seed=0), once.sample(8, seed=0))


def test_keep_best_model_needs_an_average_before_it() -> None:
    with pytest.raises(ValueError, match=r"^callbacks: expected an EMA before KeepBestModel"):
        build(4, [KeepBestModel(lambda _: 0.0, every=2), EMA(0.9)]).run()
    with pytest.raises(ValueError, match=r"^every: expected a whole number of at least 1, got 0; "):
        KeepBestModel(lambda _: 0.0, every=0)
