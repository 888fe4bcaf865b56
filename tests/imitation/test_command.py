"""`advlearn fit imitate` as someone types it, mistypes included."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO
from typer.testing import CliRunner

from advlearn.cli import _METHODS, app
from advlearn.imitation import REWARD_SHAPES
from advlearn.imitation.demonstrations.transitions import INPUTS
from advlearn.imitation.sb3.algorithms import NAMES
from advlearn.training.checkpoint import load


@pytest.fixture
def demos(tmp_path: Path) -> str:
    """An episode of CartPole, ten steps long; what was seen in it does not matter here."""
    drawn = np.random.default_rng(0)
    arrays = {
        "observations": drawn.normal(size=(11, 4)).astype(np.float32),
        "actions": drawn.integers(2, size=10),
    }
    arrays |= {
        "episode_lengths": np.array([10]),
        "terminated": np.array([True]),
        "env_id": np.array("CartPole-v1"),
    }
    np.savez(tmp_path / "demos.npz", **arrays)
    return str(tmp_path / "demos.npz")


def typed(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["fit", *words])
    return done.exit_code, done.output


def test_a_policy_is_left_that_stable_baselines_loads_alone(demos: str, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = (
        "imitate",
        "--demos",
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
    assert {"checkpoint.pt", "policy.zip", "reward.pt", "curve.png"} == {
        path.name for path in out.iterdir()
    }
    action, _ = PPO.load(out / "policy.zip", device="cpu").predict(np.zeros(4, np.float32))
    assert action in (0, 1)


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (
            ("imitate",),
            "advlearn: demos: expected an npz file, a name, minari:ID or hf:NAME for the task imitate",
        ),
        (("adapt", "--demos", "x"), "advlearn: demos: for the task imitate alone, got 'adapt'"),
        (
            ("generate", "--env", "X-v0", "--every", "3"),
            "advlearn: env, every: for the task imitate alone",
        ),
        (
            ("imitate", "--precision", "bf16", "--compile"),
            "advlearn: precision, compile: not for the task imitate",
        ),
        (
            ("imitate", "--demos", "hf:me/x"),
            "advlearn: dataset: 'me/x' is a name; to load it: pip install datasets",
        ),
        (
            ("imitate", "--demos", "minari:me/x"),
            "advlearn: dataset: 'me/x' is an id, and Minari, which loads it",
        ),
        (("imitate", "--demos", "none"), "advlearn: demonstrations: there is no file none"),
    ],
)
def test_a_mistype_is_one_line(
    words: tuple[str, ...], line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("datasets", "minari"):
        monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    code, said = typed(*words, "--steps", "3")
    assert code == 1
    assert said.startswith(line), said
    assert said.count("\n") == 1


def test_a_mistyped_value_is_one_line_before_training(demos: str, tmp_path: Path) -> None:
    for words, part in (
        (("--objective", "gial"), "gial"),
        (("--env", "Pendulum-v1"), "Pendulum-v1"),
        (("--env", "CartPol-v1"), "Did you mean: `CartPole`?"),
        (("--env", "nopackage:X-v0"), "No module named 'nopackage'"),
        (("--algorithm", "sac"), "Discrete(2)"),
        (("--inputs", "actions"), "inputs: expected one of state-action, state,"),
        (("--reward", "postive"), "reward: expected one of own, positive,"),
        (("--every", "0"), "every: expected at least 1, got 0"),
        (("--batch-size", "0"), "batch_size: expected at least 1, got 0"),
        (("--updates", "0"), "updates: expected at least 1, got 0"),
        (("--device", "gpu"), "gpu"),
        (("--entropy", "0.1", "--algorithm", "dqn"), "ent_coef: expected none with dqn"),
    ):
        code, said = typed(
            "imitate", "--demos", demos, "--steps", "3", "--out", str(tmp_path / "run"), *words
        )
        assert (code, said.count("\n")) == (1, 1) and part in said, said


def test_every_option_reaches_the_run(demos: str, tmp_path: Path) -> None:
    options = {
        "critic_inputs": "state",
        "expert_subsample": 2,
        "critic_steps": 3,
        "critic_replay_size": 4096,
        "bc_steps": 2,
        "batch_size": 32,
        "lr": 0.01,
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
        "--entropy",
        "0.25",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    ]
    code, said = typed("imitate", "--demos", demos, "--steps", "2048", *words)
    assert code == 0, said
    recipe = load(tmp_path / "run")["recipe"]
    assert {name: recipe[name] for name in options} == options
    assert (recipe["reward_shape"], recipe["absorbing"], recipe["PPO.ent_coef"]) == (
        "log",
        True,
        0.25,
    )


def test_completion_and_help_know_every_name() -> None:
    assert set(_METHODS) == set(METHODS)
    command: Any = typer.main.get_command(app)
    told = {
        option.name: option.help
        for option in command.commands["fit"].params
        if hasattr(option, "help")
    }
    for option, names in {
        "reward": REWARD_SHAPES,
        "critic_inputs": INPUTS,
        "algorithm": NAMES,
    }.items():
        assert all(name in told[option] for name in names)


def test_the_list_has_every_method_and_every_form_of_the_reward() -> None:
    done = CliRunner().invoke(app, ["list"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in done.stdout.splitlines()]
    by_kind = {
        kind: {row[1] for row in cells if row and row[0] == kind}
        for kind in ("task", "method", "reward")
    }
    assert (
        by_kind["method"] == set(METHODS)
        and by_kind["reward"] == set(REWARD_SHAPES)
        and "imitate" in by_kind["task"]
    )


@pytest.mark.parametrize("name", METHODS)
def test_describe_says_what_a_method_is(name: str) -> None:
    done = CliRunner().invoke(app, ["describe", f"{name} + instance_noise"])
    assert done.exit_code == 0, done.output
    chain, named = method(f"{name} + instance_noise")
    assert done.stdout.startswith(
        f"{name} + instance_noise = {chain!r}\nReference: {named.paper}\n"
    )
    assert (
        f'\nReward "{named.reward}": ' in done.stdout
        and "\nDefaults where you say nothing: " in done.stdout
    )


@pytest.mark.parametrize(
    ("spec", "line"),
    [
        ("gial", "unknown name 'gial'; did you mean 'gail'"),
        ("hinge + r11", "unknown name 'r11'; did you mean 'r1'"),
    ],
)
def test_describe_names_what_is_near_a_mistyped_name(spec: str, line: str) -> None:
    done = CliRunner().invoke(app, ["describe", spec])
    assert done.exit_code == 1 and done.stderr.startswith(f"advlearn: objective: {line}")
    assert done.stderr.count("\n") == 1
