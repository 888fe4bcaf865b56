"""Test that a run's folder is the one that its call named."""

import os
from pathlib import Path
from typing import Any

import pytest
import torch

import advlearn
from advlearn.core.trainer import Callback, Trainer
from advlearn.training.checkpoint import load as load_file

POINTS = torch.randn(24, 2, generator=torch.Generator().manual_seed(0))


def fit(**given: Any) -> Any:
    settings = {"steps": 4, "batch_size": 8, "device": "cpu", "callbacks": (), "save_every": 2}
    return advlearn.fit("generate", "nsgan", POINTS, **{**settings, **given})


class Moves(Callback):
    """Change the working folder at each step."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_step(self, trainer: Trainer) -> None:
        os.chdir(self.folder)


def test_all_files_of_a_run_are_in_one_folder_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    run = fit(out="run", callbacks=[Moves(other)])
    assert list(other.iterdir()) == [] and run.out == tmp_path / "run"
    assert load_file(tmp_path / "run")["trainer"]["step"] == 4
    assert (tmp_path / "run" / "recording.jsonl").is_file()


def test_imitation_writes_to_one_folder_when_the_working_folder_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    callbacks = pytest.importorskip(
        "stable_baselines3.common.callbacks", reason="imitation needs the extra rl"
    )
    from advlearn.imitation import imitate
    from tests.imitation.counting import always_one, counting, small

    class MovesEnvironment(callbacks.BaseCallback):
        def _on_step(self) -> bool:
            os.chdir(other)
            return True

    other = tmp_path / "other"
    other.mkdir()
    monkeypatch.chdir(tmp_path)
    moves = MovesEnvironment()
    imitate(
        always_one(), steps=48, algorithm=small(counting()), out="run", callbacks=[moves],
        quiet=True,
    )  # fmt: skip
    assert list(other.iterdir()) == []
    assert load_file(tmp_path / "run")["steps"] >= 48


@pytest.mark.parametrize("kind", [str, Path])
def test_a_tilde_is_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.chdir(work)
    run = fit(out=kind("~/run"))
    assert run.out == home / "run" and list(work.iterdir()) == []
    run.save(kind("~/run.pt"))
    again = advlearn.load(kind("~/run.pt"))
    assert torch.equal(again.sample(4, seed=0), run.sample(4, seed=0))
    assert fit(warm_start=kind("~/run")).trainer.step == 4


def test_a_tilde_of_no_user_is_a_plain_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert fit(out="~no-such-user").out == tmp_path / "~no-such-user"
    with pytest.raises(FileNotFoundError, match=r"~no-such-user/images"):
        advlearn.data.load("~no-such-user/images")
