"""Test that a run whose last checkpoint is damaged continues from the one before."""

from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer
from advlearn.imitation import imitate
from advlearn.training.checkpoint import load

POINTS = torch.randn(32, 2, generator=torch.Generator().manual_seed(0))


class Killed(BaseException):
    """Stand for a process that ends without its last save."""


class StopAt(Callback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step(self, trainer: Trainer) -> None:
        if trainer.step == self.step:
            raise Killed


def train(folder: Path, *callbacks: Callback) -> dict[str, Any]:
    run = advlearn.fit(
        "generate(latent=2)",
        "nsgan",
        POINTS,
        steps=12,
        batch_size=8,
        save_every=4,
        out=folder,
        callbacks=callbacks,
    )
    return run.task.state_dict()


def imitated(folder: Path, steps: int) -> dict[str, Any]:
    run = imitate("cartpole", steps=steps, out=folder, save_every=16, quiet=True)
    return run.policy.policy.state_dict()


def assert_same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


def two_checkpoints(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave checkpoints of steps 4 and 8 in a folder, as a killed process does."""
    with monkeypatch.context() as patched:
        # A killed process has no last save.
        patched.setattr("advlearn.training.checkpoint.Checkpoint.on_error", Callback.on_error)
        with pytest.raises(Killed):
            train(folder, StopAt(9))
    assert load(folder / "checkpoint.pt")["trainer"]["step"] == 8
    assert load(folder / "checkpoint-previous.pt")["trainer"]["step"] == 4


def test_a_damaged_checkpoint_names_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_checkpoints(tmp_path / "out", monkeypatch)
    damage(tmp_path / "out" / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"; delete it to continue from checkpoint-previous\.pt, "):
        train(tmp_path / "out")


def test_a_run_continues_from_the_one_before_where_the_last_was_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_checkpoints(tmp_path / "out", monkeypatch)
    (tmp_path / "out" / "checkpoint.pt").unlink()
    with pytest.warns(RuntimeWarning, match=r"no checkpoint\.pt; .* checkpoint-previous\.pt"):
        assert advlearn.load(tmp_path / "out").task is not None
    with pytest.warns(RuntimeWarning, match=r"no checkpoint\.pt; .* checkpoint-previous\.pt"):
        resumed = train(tmp_path / "out")
    assert_same(resumed, train(tmp_path / "whole"))
    assert not (tmp_path / "out" / "checkpoint-previous.pt").exists()


def test_a_run_of_imitation_does_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    whole = imitated(folder, 64)
    (folder / "checkpoint.pt").rename(folder / "checkpoint-previous.pt")
    with pytest.warns(RuntimeWarning, match=r"no checkpoint\.pt; .* checkpoint-previous\.pt"):
        assert_same(imitated(folder, 64), whole)
