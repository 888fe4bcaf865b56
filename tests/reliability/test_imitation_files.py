"""Test that damaged files of imitation runs are refused in one line."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn.core.files import RefusedFileError
from advlearn.imitation import (
    Demonstrations,
    imitate,
    load_demonstrations,
    load_reward,
    save_demonstrations,
)
from tests.imitation.counting import always_one, counting, small
from tests.reliability.files import flipped, one_line, rewritten
from tests.reliability.test_hostile_files import drop, only, put


def train(folder: Path, steps: int = 48) -> Any:
    return imitate(always_one(), steps=steps, algorithm=small(counting()), out=folder, quiet=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imitation") / "out"
    train(folder).save(folder)
    return folder


@pytest.mark.parametrize(
    "change",
    [
        only(format=1),
        put("recipe", value=None),
        put("steps", value="three"),
        put("steps", value=-5),
        put("steps", value=10**9),
        put("steps", value=7),
        put("policy", value={}),
        put("policy", "policy", value=None),
        drop("adversary"),
        drop("counters", "num_timesteps"),
        put("counters", value=5),
        put("ours", value=None),
        put("ours", value={}),
        put("history", value=5),
        put("variables", value=[1]),
        put("policy", "policy.optimizer", "state", 0, "exp_avg", value=torch.ones(1)),
    ],
)
def test_a_broken_checkpoint_is_not_resumed(
    change: Callable[[Any], None], folder: Path, tmp_path: Path
) -> None:
    rewritten(folder / "checkpoint.pt", tmp_path / "checkpoint.pt", change)
    with pytest.raises(ValueError) as caught:
        train(tmp_path, steps=96)
    assert str(tmp_path) in one_line(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        only(format=1),
        put("objective", value=5),
        put("critic", value=[1]),
        put("critic", value={"net": "Nope"}),
        put("critic", "hidden", value=[300_000, 300_000]),
        put("encoder", "choices", value=10**8),
        put("encoder", "choices", value=-1),
        put("encoder", "images", value=[[0]]),
        put("encoder", "critic_inputs", value="nope"),
        put("demonstrations", value=[torch.ones(2)]),
        put("demonstrations", 0, value=torch.ones(())),
        put("gamma", value="much"),
        put("adversary", value={}),
        drop("absorbing"),
    ],
)
def test_a_broken_reward_is_not_loaded(
    change: Callable[[Any], None], folder: Path, tmp_path: Path
) -> None:
    path = rewritten(folder / "reward.pt", tmp_path / "reward.pt", change)
    with pytest.raises(ValueError) as caught:
        load_reward(path)
    one_line(caught.value)


def test_flipped_files_are_refused(folder: Path, tmp_path: Path) -> None:
    save_demonstrations(always_one(), tmp_path / "whole.npz")
    for whole, name, read in (
        (folder / "reward.pt", "reward.pt", load_reward),
        (tmp_path / "whole.npz", "demos.npz", load_demonstrations),
    ):
        for content in flipped(whole.read_bytes(), 100):
            (tmp_path / name).write_bytes(content)
            with pytest.raises(RefusedFileError) as caught:
                read(tmp_path / name)
            assert str(tmp_path / name) in one_line(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        {"episode_lengths": np.array(["3"])},
        {"episode_lengths": np.array(3)},
        {"episode_lengths": np.array([2**62])},
        {"expert_return_mean": np.ones(3)},
        {"observations": np.array(1.0)},
        {"actions": np.array(["a", "b", "c"])},
    ],
)
def test_demonstrations_of_wrong_types_are_one_line(change: Any, tmp_path: Path) -> None:
    arrays = {
        "observations": np.zeros((4, 2)),
        "actions": np.zeros(3, np.int64),
        "episode_lengths": np.array([3]),
        "terminated": np.array([True]),
    }
    np.savez(tmp_path / "a.npz", **{**arrays, **change})
    with pytest.raises(ValueError) as caught:
        load_demonstrations(tmp_path / "a.npz")
    one_line(caught.value)


def test_the_policy_is_written_whole_or_not_at_all(folder: Path) -> None:
    from stable_baselines3 import PPO

    assert isinstance(PPO.load(folder / "policy.zip", device="cpu"), PPO)
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint64, ">i8"])
def test_lengths_of_any_whole_number_type_are_read(dtype: Any) -> None:
    lengths = np.array([127, 3])
    demonstrations = [
        Demonstrations(
            np.arange(132.0)[:, None], np.arange(130) % 2, lengths.astype(kind), np.ones(2, bool)
        )
        for kind in (dtype, np.int64)
    ]
    odd, plain = (one.transitions() for one in demonstrations)
    assert torch.equal(odd.observations, plain.observations)
    assert torch.equal(odd.next_observations, plain.next_observations)
    assert len(demonstrations[0].first(1)) == 127
