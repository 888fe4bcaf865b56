"""Demonstrations in files of D4RL, robomimic, `imitation` and LeRobot, and their description."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from typer.testing import CliRunner

from advlearn.cli import app
from advlearn.core.files import RefusedFileError
from advlearn.imitation import (
    from_frames,
    from_hdf5,
    from_huggingface,
    from_minari,
    inspect_demonstrations,
    load_demonstrations,
    save_demonstrations,
)
from tests.imitation.counting import always_one

STATES = np.arange(12.0).reshape(6, 2)
ACTIONS = np.arange(6.0)[:, None] / 8
REWARDS = np.array([1.0, 2, 3, 4, 5, 100])
# The first episode ends by itself, the second one by a limit, and the last step has no end.
ENDS = {"terminals": np.eye(6, dtype=bool)[1], "timeouts": np.eye(6, dtype=bool)[4]}


def write(path: Path, arrays: dict[str, Any]) -> Path:
    """Write an HDF5 file; a slash in a name makes a group."""
    h5py = pytest.importorskip("h5py")
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path


def test_a_file_of_d4rl_has_the_next_observations_of_each_episode(tmp_path: Path) -> None:
    arrays = {"observations": STATES, "actions": ACTIONS, "rewards": REWARDS, **ENDS}
    path = write(tmp_path / "a.hdf5", arrays | {"next_observations": STATES + 100})
    demos = from_hdf5(path, "X-v0")
    assert (demos.lengths.tolist(), demos.terminated.tolist()) == ([2, 3], [True, False])
    assert demos.observations[:, 0].tolist() == [0, 2, 102, 4, 6, 8, 108]
    assert demos.actions is not None and demos.actions[:, 0].tolist() == [
        0,
        0.125,
        0.25,
        0.375,
        0.5,
    ]
    assert (demos.expert_return, demos.env_id) == ((3 + 12) / 2, "X-v0")


def test_a_file_of_d4rl_without_next_observations_lacks_the_last_action(tmp_path: Path) -> None:
    arrays = {"observations": STATES, "actions": ACTIONS, "rewards": REWARDS, **ENDS}
    demos = load_demonstrations(write(tmp_path / "a.h5", arrays))
    assert (demos.lengths.tolist(), demos.terminated.any()) == ([1, 2], False)
    assert demos.observations[:, 0].tolist() == [0, 2, 4, 6, 8] and demos.expert_return == 7.5


def test_a_file_of_robomimic_has_one_group_for_each_episode(tmp_path: Path) -> None:
    arrays: dict[str, Any] = {}
    # Ten is after two, although not in the order of the alphabet.
    for name, rows in (("demo_10", slice(3, 6)), ("demo_2", slice(0, 3))):
        for part, shift in (("obs", 0), ("next_obs", 2)):
            arrays[f"data/{name}/{part}/pose"] = STATES[rows] + shift
            arrays[f"data/{name}/{part}/grip"] = STATES[rows, :1] - shift
        arrays |= {f"data/{name}/actions": ACTIONS[rows], f"data/{name}/rewards": REWARDS[rows]}
        arrays[f"data/{name}/dones"] = np.array([0, 0, name == "demo_2"])
    path = write(tmp_path / "low_dim.hdf5", arrays)
    import h5py  # type: ignore[import-not-found]

    with h5py.File(path, "a") as file:
        file["data"].attrs["env_args"] = '{"env_name": "Lift", "type": 1}'
    demos = from_hdf5(path)
    assert (demos.terminated.tolist(), demos.lengths.tolist()) == ([True, False], [3, 3])
    assert demos.env_id == "" and demos.observations["pose"][:, 0].tolist() == [
        0, 2, 4, 6, 6, 8, 10, 12,
    ]  # fmt: skip
    vectors = from_hdf5(path, keys=["pose", "grip"])
    assert vectors.observations[3].tolist() == [6, 7, 2] and vectors.expert_return == (6 + 109) / 2
    with pytest.raises(ValueError, match=r"^keys: expected among grip, pose, got pos; choose"):
        from_hdf5(path, keys=["pos"])
    with h5py.File(path, "a") as file:
        file["data"].attrs["env_args"] = '{"env_name": "Hopper-v4", "type": 2}'
    assert from_hdf5(path).env_id == "Hopper-v4"


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (
            {"actions": None},
            "expected observations, actions, rewards and terminals, .*add actions$",
        ),
        ({"rewards": REWARDS[:4]}, r"expected arrays of equal length, got \[4, 6\] rows$"),
        ({"actions": np.array([b"x"] * 6)}, "expected numbers in 'actions', got"),
    ],
)
def test_other_hdf5_files_are_refused_in_one_line(
    change: dict[str, Any], line: str, tmp_path: Path
) -> None:
    arrays = {"observations": STATES, "actions": ACTIONS, "rewards": REWARDS, **ENDS} | change
    path = write(tmp_path / "a.hdf5", {k: v for k, v in arrays.items() if v is not None})
    with pytest.raises(RefusedFileError, match=f"^path: {line}"):
        from_hdf5(path)


def test_hdf5_files_that_read_other_files_or_much_memory_are_refused(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    arrays = {"observations": STATES, "actions": ACTIONS, "rewards": REWARDS, **ENDS}
    path = write(tmp_path / "a.hdf5", arrays)
    with pytest.raises(RefusedFileError, match=r"^path: expected at most 99 bytes of arrays, got"):
        from_hdf5(path, max_bytes=99)
    with h5py.File(path, "a") as file:
        file["itself"] = file["/"]
        file["itself/next_observations"] = h5py.ExternalLink("b.hdf5", "/x")
    with pytest.raises(RefusedFileError, match=r"^path: expected plain arrays, got a link"):
        from_hdf5(path)
    path.write_bytes(path.read_bytes()[:99])
    with pytest.raises(RefusedFileError, match=r"^path: .* D4RL or robomimic, got .* cannot be"):
        from_hdf5(path)


def test_a_missing_package_or_file_is_named(tmp_path: Path, monkeypatch: Any) -> None:
    with pytest.raises(FileNotFoundError, match=r"^path: expected a file, got .*, which does not"):
        from_hdf5(tmp_path / "a.hdf5")
    (tmp_path / "a.hdf5").write_bytes(b"x")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(ImportError, match=r"^path: '.*' is read by .* h5py, .*pip install h5py$"):
        load_demonstrations(tmp_path / "a.hdf5")


def test_saved_trajectories_of_imitation_load(tmp_path: Path) -> None:
    # The package joins trajectories, and saves the sums of their lengths but the last one.
    arrays = {"obs": np.arange(7.0)[:, None], "acts": np.arange(5), "rews": np.arange(5.0)}
    infos = np.array([{}] * 5, dtype=object)
    path = tmp_path / "final.npz"
    np.savez(path, **arrays, terminal=np.array([True, False]), indices=np.array([2]), infos=infos)
    demos = load_demonstrations(path)
    assert (demos.lengths.tolist(), demos.terminated.tolist()) == ([2, 3], [True, False])
    assert demos.observations[:, 0].tolist() == list(range(7)) and demos.expert_return == 5
    np.savez(path, **arrays, terminal=np.array([True]), indices=np.array([2]), infos=infos)
    with pytest.raises(ValueError, match="refused"):
        load_demonstrations(path)


def frame(episode: int, time: int) -> dict[str, Any]:
    """Return a frame of LeRobot."""
    seen = {"observation.state": [float(time), -1.0], "observation.image": object()}
    return seen | {"episode_index": episode, "action": [time / 4], "next.reward": 1.0}


def test_frames_of_lerobot_are_episodes_without_their_last_action() -> None:
    frames = [frame(0, t) for t in range(3)] + [frame(4, t) for t in range(2)] + [frame(5, 0)]
    for demos in (from_frames(frames, "X-v0"), from_huggingface(iter(frames), "X-v0")):
        assert (demos.lengths.tolist(), demos.terminated.any()) == ([2, 1], False)
        assert demos.observations[:, 0].tolist() == [0, 1, 2, 0, 1]
        assert demos.actions is not None and demos.actions[:, 0].tolist() == [0, 0.25, 0]
        assert (demos.expert_return, demos.env_id) == (2.5, "X-v0")
    named = [{**f, "observation.environment_state": [7.0]} for f in frames]
    assert from_frames(named).observations["environment_state"].shape == (5, 1)
    del frames[1]["action"]
    with pytest.raises(ValueError, match=r"^frames: expected .*, got .*; add action$"):
        from_frames(frames)


def test_a_data_set_that_cannot_be_downloaded_is_one_line(tmp_path: Path, monkeypatch: Any) -> None:
    # A package of this name whose functions find no data set and no network.
    (tmp_path / "minari.py").write_text(
        "def load_dataset(name, download=False):\n"
        "    raise OSError('no\\nnetwork') if download else FileNotFoundError(name)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "minari", raising=False)
    try:
        with pytest.raises(
            ConnectionError, match=r"^dataset: minari:a/b-v0 is not .*\(no network\)"
        ):
            load_demonstrations("minari:a/b-v0")
        with pytest.raises(FileNotFoundError, match=r"^dataset: .*minari download a/b-v0$"):
            from_minari("a/b-v0", download=False)
    finally:
        __import__("sys").modules.pop("minari", None)


def test_a_command_describes_demonstrations(tmp_path: Path) -> None:
    path = save_demonstrations(always_one(), tmp_path / "demos.npz")
    done = CliRunner().invoke(app, ["demos", str(path)])
    assert done.exit_code == 0
    lines = [line.split("  ", 1)[1].strip() for line in done.output.splitlines()]
    assert lines == [
        "unknown",
        "2 of 5 steps, 10 steps in all",
        "2 by the environment, 0 by a limit",
        "unknown",
        "float32 (1,), from 0 to 10",
        "int64, from 1 to 1, 1 of 1 constant",
    ]
    assert inspect_demonstrations(load_demonstrations("pendulum")).startswith("environment")
    refused = CliRunner().invoke(app, ["demos", str(tmp_path / "none.npz")])
    assert refused.exit_code == 1 and refused.output.startswith(
        "advlearn: demonstrations: expected"
    )
