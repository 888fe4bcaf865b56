"""Test the curves of a run: their values, a resumed run and the panels."""

import json
import shutil
from itertools import pairwise

import pytest
import torch
from PIL import Image

import advlearn
from advlearn.data import ArrayDataset
from advlearn.training import thinning
from advlearn.training.curves import Curves, draw_curves, panels_of, read_curves
from advlearn.training.recording import Recording, read_recording
from advlearn.training.tensorboard import TensorBoard


def train(folder, steps):
    data = ArrayDataset(torch.randn(80, 2, generator=torch.Generator().manual_seed(0)), None, "n")
    return advlearn.fit(
        "generate", "hinge", data, steps=steps, callbacks=(), out=folder, evaluate=100, device="cpu"
    )


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Train a run for 100 steps, and return it with its folder."""
    folder = tmp_path_factory.mktemp("run")
    return train(folder, 100), folder


def test_a_run_writes_its_curves_and_a_resumed_run_continues_them(tmp_path, first):
    run, folder = first
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    ((step, values),) = read_curves(tmp_path / "curves.jsonl")
    assert step == 100
    # To six digits.
    loss = run.trainer.last_losses()["data/critic_loss"]
    assert values["data/critic_loss"] == float(f"{loss:.6g}") != loss
    assert values["data/health/accuracy"] == pytest.approx(run.health()["data"].accuracy, rel=1e-5)
    train(tmp_path, 200)
    assert [step for step, _ in read_curves(tmp_path / "curves.jsonl")] == [100, 200]
    with Image.open(tmp_path / "curves.png") as image:
        assert image.size[0] > 1000


def test_a_new_run_drops_points_after_its_checkpoint(tmp_path, first):
    shutil.copytree(first[1], tmp_path, dirs_exist_ok=True)
    with (tmp_path / "curves.jsonl").open("a") as file:
        file.write(json.dumps([150, {"data/critic_loss": 9.0}]) + "\n{broken\n[1]\n7\n")
    train(tmp_path, 200)
    assert [step for step, _ in read_curves(tmp_path / "curves.jsonl")] == [100, 200]


def test_each_quantity_has_a_panel_and_values_that_are_not_finite_are_left_out(tmp_path):
    points = [
        (1, {"a/critic_loss": 1.0, "a/health/accuracy": 0.5, "b/health/accuracy": 0.6}),
        (2, {"a/critic_loss": float("nan"), "a/health/accuracy": 0.7, "steps_per_second": 3.0}),
    ]
    panels = panels_of(points, [(2, {"recall": 0.25})])
    assert [(panel.title, lines) for panel, lines in panels] == [
        ("losses and penalties", {"a/critic_loss": [(1, 1.0)]}),
        (
            "pairs that the critic ranks correctly (0.5: chance)",
            {"accuracy, a": [(1, 0.5), (2, 0.7)], "accuracy, b": [(1, 0.6)]},
        ),
        ("held-out data: recall", {"recall": [(2, 0.25)]}),
    ]
    assert draw_curves(points, tmp_path / "curves.png").exists()


def test_a_long_run_keeps_a_bounded_number_of_points_spread_evenly(monkeypatch):
    monkeypatch.setattr(thinning, "MOST", 50)
    points = []
    for step in range(1, 5001):
        points = thinning.with_point(points, (step, float(step)))
        assert len(points) < 100
    steps = [step for step, _ in points]
    gaps = [b - a for a, b in pairwise(steps)]
    assert steps[0] == 1 and steps[-1] > 4900 and min(gaps) >= 40 and max(gaps) <= 100
    assert all(value == step for step, value in points)


def test_the_files_of_a_long_run_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(thinning, "MOST", 5)
    scalars = TensorBoard(tmp_path, every=1)
    writers = [kind(tmp_path, 10, scalars=scalars) for kind in (Curves, Recording)]
    data = ArrayDataset(torch.randn(80, 2, generator=torch.Generator().manual_seed(0)), None, "n")
    advlearn.fit(data=data, steps=60, batch_size=8, device="cpu", callbacks=[scalars, *writers])
    verdicts = read_recording(tmp_path / "recording.jsonl")
    # The verdict of the last step is kept besides.
    assert len(read_curves(tmp_path / "curves.jsonl")) < 10 and len(verdicts) <= 10
    assert verdicts[-1]["step"] == 60
