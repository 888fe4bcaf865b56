"""`advlearn fit imitate` as someone types it, mistypes included."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO
from typer.testing import CliRunner

from advlearn.cli import _METHODS, app
from advlearn.imitation import METHODS


@pytest.fixture
def demos(tmp_path: Path) -> str:
    """An episode of CartPole, ten steps long; what was seen in it does not matter here."""
    drawn = np.random.default_rng(0)
    arrays = {"observations": drawn.normal(size=(11, 4)).astype(np.float32), "actions": drawn.integers(2, size=10)}
    arrays |= {"episode_lengths": np.array([10]), "terminated": np.array([True]), "env_id": np.array("CartPole-v1")}
    np.savez(tmp_path / "demos.npz", **arrays)
    return str(tmp_path / "demos.npz")


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["fit", *words])
    return done.exit_code, done.output


def test_a_policy_is_left_that_stable_baselines_loads_alone(demos: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("imitate", "--demos", demos, "--objective", "vail", "--steps", "2048", "--out", str(out))
    done = CliRunner().invoke(app, ["fit", *words])
    assert done.exit_code == 0, done.output
    measured, where = done.stdout.splitlines()
    assert measured.startswith("return") and where.endswith(str(out))
    assert "2048 steps" in done.stderr
    assert {"checkpoint.pt", "policy.zip", "reward.pt", "curve.png"} == {path.name for path in out.iterdir()}
    action, _ = PPO.load(out / "policy.zip", device="cpu").predict(np.zeros(4, np.float32))
    assert action in (0, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("imitate",), "advlearn: demos: belongs to the task imitate, and it needs one, got None"),
        (("adapt", "--demos", "x"), "advlearn: demos: belongs to the task imitate"),
        (("imitate", "--demos", "none"), "advlearn: demonstrations: there is no file none"),
    ],
)
def test_a_mistype_is_one_line(words: tuple[str, ...], line: str) -> None:
    code, said = typed(*words, "--steps", "3")
    assert code == 1
    assert said.startswith(line), said
    assert said.count("\n") == 1


def test_a_mistyped_method_or_environment_is_one_line(demos: str) -> None:
    for words, part in (
        (("--objective", "gial"), "gial"),
        (("--env", "Pendulum-v1"), "expected observations of shape"),
    ):
        code, said = typed("imitate", "--demos", demos, "--steps", "3", *words)
        assert (code, said.count("\n")) == (1, 1) and part in said, said


def test_completion_knows_every_method() -> None:
    assert set(_METHODS) == set(METHODS)
