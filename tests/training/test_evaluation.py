"""Test the evaluation of a run on a held-out part of its data."""

from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn.data import ArrayDataset, load
from advlearn.held_out import hold_out
from advlearn.training import KeepBestModel
from advlearn.training.evaluation import Evaluation


def run_of(steps: int, **options: Any) -> advlearn.Run:
    return advlearn.fit(
        "generate(base_channels=8)", "hinge", data="digits", steps=steps, callbacks=(),
        device="cpu", batch_size=8, **options,
    )  # fmt: skip


def test_no_held_out_sample_is_trained_on():
    data = ArrayDataset(torch.arange(400.0)[:, None] / 400)
    task = type("Sampler", (), {"sample": lambda self, n: torch.zeros(n, 1)})
    held = hold_out(data, task, 5, "last")
    assert len(held.source) == 360
    seen: list[torch.Tensor] = []
    model = type("Model", (), {"sample": lambda self, n: seen.append(n) or torch.zeros(n, 1)})()
    figures = held.callbacks[0].measure(model)
    assert seen == [40] and "frechet distance (raw samples)" in figures


def test_the_best_model_of_the_evaluations_is_kept():
    run = run_of(12, evaluate=4, keep="best")
    assert [step for step, _ in run.evaluations] == [4, 8, 12]
    values = [figures["frechet distance (raw samples)"] for _, figures in run.evaluations]
    best = next(c for c in run.trainer.callbacks if isinstance(c, KeepBestModel))
    assert best.best == min(values) and best.best_step == 4 * (values.index(min(values)) + 1)
    evaluation = next(c for c in run.trainer.callbacks if isinstance(c, Evaluation))
    last = run_of(12, evaluate=4)
    assert last.evaluations == run.evaluations
    with torch.no_grad(), advlearn.training.rng.isolated(0):
        again = evaluation.measure(run.ema_model)
    assert next(iter(again.values())) == pytest.approx(min(values))


def test_a_resumed_run_has_the_evaluations_of_a_whole_one(tmp_path: Path):
    whole = run_of(8, evaluate=3)
    run_of(4, evaluate=3, out=tmp_path)
    resumed = run_of(8, evaluate=3, out=tmp_path, resume_with={"steps": 8})
    by_step = dict(resumed.evaluations)
    for step, figures in whole.evaluations:
        assert by_step[step] == pytest.approx(figures)
    with pytest.raises(ValueError, match="evaluate"):
        run_of(8, evaluate=2, out=tmp_path)


def test_predictions_are_evaluated_on_held_out_pairs():
    run = advlearn.fit(
        "paired_translation(base_channels=8)", data=(load("digits").x[:80], load("digits").x[:80]),
        steps=2, batch_size=8, evaluate=1, callbacks=(), device="cpu",
    )  # fmt: skip
    assert [list(figures) for _, figures in run.evaluations] == [["mean absolute difference"]] * 2


def test_bad_arguments_are_one_line():
    with pytest.raises(ValueError, match=r"^keep: expected 'best' with a number of steps .*; pass"):
        run_of(2, keep="best")
    with pytest.raises(ValueError, match=r"^evaluate: expected a whole number of at least 1"):
        run_of(2, evaluate=0)
    with pytest.raises(ValueError, match=r"^evaluate: expected data of at least 60 samples"):
        advlearn.fit("generate", data=torch.rand(40, 2), steps=1, evaluate=1, callbacks=())
    with pytest.raises(ValueError, match=r"^evaluate: expected data of samples .*got Domains"):
        advlearn.fit("dann", data="digits->digits", steps=1, evaluate=1, callbacks=())
