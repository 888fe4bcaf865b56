"""The demonstrations in the package: their files, their contents and the order of the search."""

import logging
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import advlearn
from advlearn.imitation import load_demonstrations
from tests.script_server import ScriptServer

PACKAGED = Path(advlearn.__file__).parent / "imitation" / "demonstrations" / "packaged"
# Environment, numbers in an observation, and episodes that examples and pages use.
SHIPPED = {
    "cartpole": ("CartPole-v1", 4, 1),
    "pendulum": ("Pendulum-v1", 3, 4),
    "hopper": ("Hopper-v5", 11, 4),
    "halfcheetah": ("HalfCheetah-v5", 17, 4),
}


@pytest.fixture
def no_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Name data and cache folders that do not exist."""
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))


def test_exactly_the_documented_files_ship_in_at_most_one_and_a_half_megabytes() -> None:
    assert {path.stem for path in PACKAGED.glob("*.npz")} == set(SHIPPED)
    assert sum(path.stat().st_size for path in PACKAGED.iterdir()) <= 1_500_000


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.usefixtures("no_data_folder")
def test_a_name_loads_without_a_data_folder(name: str) -> None:
    environment, width, episodes = SHIPPED[name]
    demos = load_demonstrations(name)
    assert demos.env_id == environment
    assert demos.observations.shape[1:] == (width,) and demos.observations.dtype == np.float32
    assert demos.episodes >= episodes and np.isfinite(demos.expert_return)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_file_holds_no_pickles_and_names_its_source_and_licence(name: str) -> None:
    with np.load(PACKAGED / f"{name}.npz", allow_pickle=False) as file:
        arrays = {key: file[key] for key in file.files}
    assert "MIT" in str(arrays["source"])
    assert f"`{name}.npz`" in (PACKAGED / "README.md").read_text()
    assert "Licence: MIT" in (PACKAGED / "README.md").read_text()


@pytest.mark.parametrize("name", SHIPPED)
def test_the_readme_states_the_number_of_episodes(name: str) -> None:
    lines = (PACKAGED / "README.md").read_text().splitlines()
    row = next(line for line in lines if f"`{name}.npz`" in line)
    with np.load(PACKAGED / f"{name}.npz", allow_pickle=False) as file:
        assert int(row.split("|")[3]) == len(file["episode_lengths"])


def test_a_file_of_the_data_folder_is_read_first_and_the_log_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    own = tmp_path / "demos" / "cartpole.npz"
    own.parent.mkdir()
    ends = {"episode_lengths": np.array([3]), "terminated": np.array([True])}
    np.savez(own, observations=np.zeros((4, 4), np.float32), actions=np.zeros(3, np.int64), **ends)
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path))
    with caplog.at_level(logging.INFO, logger="advlearn"):
        assert len(load_demonstrations("cartpole")) == 3
    assert str(own) in caplog.text
    caplog.clear()
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "nothing"))
    with caplog.at_level(logging.INFO, logger="advlearn"):
        assert len(load_demonstrations("cartpole")) > 3
    assert str(PACKAGED / "cartpole.npz") in caplog.text


@pytest.mark.usefixtures("no_data_folder")
def test_an_unknown_name_lists_the_names_that_ship() -> None:
    with pytest.raises(FileNotFoundError, match=r"cartpole, halfcheetah, hopper, pendulum ship"):
        load_demonstrations("walker2d")


def test_the_script_writes_the_same_arrays_from_the_first_episodes(
    tmp_path: Path, scripts: ScriptServer
) -> None:
    """Run the script on its own output, of which every file is a prefix."""
    script = Path(__file__).parents[2] / "benchmarks" / "package_demonstrations.py"
    code = (
        "import sys, runpy, pathlib; "
        f"module = runpy.run_path({str(script)!r}); "
        f"module['package'].__globals__['TARGET'] = pathlib.Path({str(tmp_path)!r}); "
        f"module['package'](pathlib.Path({str(PACKAGED)!r}), 'cartpole', 2)"
    )
    done = scripts.python("-c", code)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "cartpole.npz") as few, np.load(PACKAGED / "cartpole.npz") as file:
        steps = int(file["episode_lengths"][:2].sum())
        assert np.array_equal(few["observations"], file["observations"][: steps + 2])
        assert np.array_equal(few["actions"], file["actions"][:steps])
        assert str(few["source"]) == str(file["source"])
