"""The command `advlearn fit imitation`: its outputs, its options and its one-line errors."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO
from typer.testing import CliRunner

from advlearn.cli import app
from advlearn.imitation import REWARD_SHAPES
from advlearn.imitation.demonstrations.transitions import INPUTS
from advlearn.imitation.sb3.algorithms import NAMES
from advlearn.training.checkpoint import load


@pytest.fixture
def demos(tmp_path: Path) -> str:
    """Write an episode of CartPole with ten random steps."""
    generator = np.random.default_rng(0)
    arrays = {
        "observations": generator.normal(size=(11, 4)).astype(np.float32),
        "actions": generator.integers(2, size=10),
    }
    arrays |= {
        "episode_lengths": np.array([10]),
        "terminated": np.array([True]),
        "env_id": np.array("CartPole-v1"),
    }
    np.savez(tmp_path / "demos.npz", **arrays)
    return str(tmp_path / "demos.npz")


def typed(*words: str) -> tuple[int, str]:
    """Run the command, and return its exit code and its output."""
    done = CliRunner().invoke(app, ["fit", *words])
    return done.exit_code, done.output


def test_the_command_writes_a_policy_that_stable_baselines_loads(
    demos: str, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    words = (
        "imitation",
        "--data",
        demos,
        "--objective",
        "vail",
        "--steps",
        "2048",
        "--out",
        str(out),
    )
    done = CliRunner().invoke(app, ["fit", *words])
    assert done.exit_code == 0, done.output
    measured, where = done.stdout.splitlines()
    assert measured.startswith("return") and where.endswith(str(out))
    assert "2048 steps" in done.stderr
    assert {"checkpoint.pt", "history.csv", "policy.zip", "reward.pt", "curve.png"} == {
        path.name for path in out.iterdir()
    }
    action, _ = PPO.load(out / "policy.zip", device="cpu").predict(np.zeros(4, np.float32))
    assert action in (0, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("generate", "--env", "X-v0", "--expert-subsample", "3"),
            "advlearn: env, expert_subsample: only for methods of imitation, got 'generate'",
        ),
        (
            ("imitation", "--precision", "bf16", "--data", "x"),
            "advlearn: precision: imitation has no such option",
        ),
        (
            ("imitation", "--data", "hf:me/x"),
            "advlearn: dataset: 'me/x' is loaded by the package datasets, which is not installed",
        ),
        (
            ("imitation", "--data", "minari:me/x"),
            "advlearn: dataset: 'me/x' is loaded by the package minari, which is not installed",
        ),
        (("imitation", "--data", "none"), "advlearn: demonstrations: expected a path, minari:ID,"),
    ],
)
def test_a_mistype_is_one_line(
    words: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("datasets", "minari"):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    code, output = typed(*words, "--steps", "3")
    assert code == 1
    assert output.startswith(line), output
    assert output.count("\n") == 1


def test_a_mistyped_value_is_one_line_before_training(demos: str, tmp_path: Path) -> None:
    for words, part in (
        (("--objective", "gial"), "gial"),
        (("--env", "Pendulum-v1"), "Pendulum-v1"),
        (("--env", "CartPol-v1"), "Did you mean: `CartPole`?"),
        (("--env", "nopackage:X-v0"), "No module named 'nopackage'"),
        (("--algorithm", "sac"), "Discrete(2)"),
        (("--critic-inputs", "actions"), "critic_inputs: expected one of state-action, state,"),
        (("--reward", "postive"), "reward: expected one of own, positive,"),
        (
            ("--critic-every", "0", "--algorithm", "dqn"),
            "critic_every: expected a whole number of at least 1, got 0",
        ),
        (("--batch-size", "0"), "batch_size: expected a whole number of at least 1, got 0"),
        (("--critic-steps", "0"), "critic_steps: expected a whole number of at least 1, got 0"),
        (("--device", "gpu"), "gpu"),
        (("--ent-coef", "0.1", "--algorithm", "dqn"), "ent_coef: expected None with dqn"),
    ):
        code, output = typed(
            "imitation", "--data", demos, "--steps", "3", "--out", str(tmp_path / "run"), *words
        )
        assert (code, output.count("\n")) == (1, 1) and part in output, output


def test_without_data_it_imitates_demonstrations_that_ship(tmp_path: Path) -> None:
    words = ("--steps", "3", "--device", "cpu", "--out", str(tmp_path / "run"))
    code, output = typed("imitation", *words)
    assert code == 0, output
    assert (tmp_path / "run" / "policy.zip").exists()


def test_every_option_reaches_the_run(demos: str, tmp_path: Path) -> None:
    options = {
        "critic_inputs": "state",
        "expert_subsample": 2,
        "critic_steps": 3,
        "critic_replay_size": 4096,
        "bc_steps": 2,
        "batch_size": 32,
        "critic_lr": 0.01,
    }
    words = [
        word
        for name, value in options.items()
        for word in (f"--{name.replace('_', '-')}", str(value))
    ]
    words += [
        "--reward",
        "log",
        "--absorbing",
        "--ent-coef",
        "0.25",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    ]
    code, output = typed("imitation", "--data", demos, "--steps", "2048", *words)
    assert code == 0, output
    config = load(tmp_path / "run")["recipe"]
    assert {name: config[name] for name in options} == options
    assert (config["reward"], config["absorbing"], config["PPO.ent_coef"]) == (
        "log",
        True,
        0.25,
    )


def test_the_help_lists_every_name() -> None:
    command: Any = typer.main.get_command(app)
    texts = {
        option.name: option.help
        for option in command.commands["fit"].params
        if hasattr(option, "help")
    }
    for option, names in {
        "reward": REWARD_SHAPES,
        "critic_inputs": INPUTS,
        "algorithm": NAMES,
    }.items():
        assert all(name in texts[option] for name in names)
