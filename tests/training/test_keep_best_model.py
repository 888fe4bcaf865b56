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


def test_keep_best_model_needs_an_average_before_it() -> None:
    with pytest.raises(ValueError, match=r"^callbacks: expected an EMA before KeepBestModel"):
        build(4, [KeepBestModel(lambda _: 0.0, every=2), EMA(0.9)]).run()
    with pytest.raises(ValueError, match=r"^every: expected a whole number of at least 1, got 0; "):
        KeepBestModel(lambda _: 0.0, every=0)
