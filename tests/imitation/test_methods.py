"""Methods of imitation: they train, their options give way to arguments, and cloning is strict."""

from pathlib import Path
from typing import Any

import pytest
import torch
from stable_baselines3.common.callbacks import CheckpointCallback

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import advlearn
from advlearn import catalogue
from advlearn.core.method import Method
from advlearn.imitation import imitate
from advlearn.imitation.settings import METHOD_SETTINGS
from advlearn.training.checkpoint import load
from tests.imitation.counting import always_one, counting

ROWS = [row for row in catalogue.methods().values() if row.task == catalogue.IMITATION]
OPTIONS: dict[str, Any] = {
    "expert_subsample": 2,
    "critic_inputs": "state",
    "reward": "log",
    "absorbing": True,
    "critic_lr": 0.5,
    "critic_steps": 2,
    "critic_every": 4,
    "optimizer": "sgd",
    "batch_size": 8,
    "critic_replay_size": 64,
    "ent_coef": 0.5,
    "bc_steps": 2,
    "critic_window": 2,
}
ARGUMENTS: dict[str, Any] = {
    "expert_subsample": 1,
    "critic_inputs": "state-action",
    "reward": "own",
    "absorbing": False,
    "critic_lr": 0.25,
    "critic_steps": 1,
    "critic_every": 2,
    "optimizer": "adam",
    "batch_size": 4,
    "critic_replay_size": 0,
    "ent_coef": 0.25,
    "bc_steps": 0,
    "critic_window": 1,
}
OF_ON_POLICY = METHOD_SETTINGS.keys() - {"critic_every"}
OF_OFF_POLICY = METHOD_SETTINGS.keys() - {
    *("critic_replay_size", "critic_window", "ent_coef", "bc_steps"),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_every_row_trains_on_its_data(row: Method) -> None:
    length = {"bc_steps": 3} if row.options.get("critic") == "none" else {"steps": 3}
    run = advlearn.fit(row.name, device="cpu", quiet=True, **length)
    assert run.demonstrations.env_id == "CartPole-v1"
    assert len(run.returns(episodes=1)) == 1


@pytest.mark.parametrize(("algorithm", "names"), [("ppo", OF_ON_POLICY), ("sac", OF_OFF_POLICY)])
def test_an_argument_overrides_the_option_of_the_method_and_the_option_the_default(
    algorithm: str, names: set[str], tmp_path: Path
) -> None:
    assert OPTIONS.keys() == ARGUMENTS.keys() == METHOD_SETTINGS.keys()
    options = {name: OPTIONS[name] for name in names}
    arguments = {name: ARGUMENTS[name] for name in names}
    method = Method("mine", "imitation", "gan", "A test.", options=options)
    continuous = algorithm == "sac"

    def used(folder: str, **given: Any) -> dict[str, Any]:
        imitate(
            always_one(continuous), method, steps=1, env=counting(1, continuous),
            algorithm=algorithm, out=tmp_path / folder, quiet=True, **given,
        )  # fmt: skip
        saved = load(tmp_path / folder)
        config = {"critic_window": 1} | saved["recipe"] | saved["facts"]
        return {name: config["PPO.ent_coef" if name == "ent_coef" else name] for name in names}

    assert used("options") == options
    assert used("arguments", **arguments) == arguments


def test_an_option_that_imitation_does_not_have_is_refused() -> None:
    method = Method("mine", "imitation", "gan", "A test.", options={"critic_width": 8})
    with pytest.raises(
        ValueError, match=r"^method: expected options of mine among .*, got critic_w"
    ):
        imitate(always_one(), method, steps=1, env=counting(), quiet=True)


@pytest.mark.parametrize(
    "given",
    [
        {"steps": 3},
        {"critic": torch.nn.Linear(5, 1)},
        {"save_every": 100},
        {"callbacks": [CheckpointCallback(10, "unused")]},
        *({name: ARGUMENTS[name]} for name in METHOD_SETTINGS if name != "expert_subsample"),
    ],
    ids=lambda given: next(iter(given)),
)
def test_cloning_refuses_a_setting_that_it_does_not_use(given: dict[str, Any]) -> None:
    name = next(iter(given))
    message = f"^{name}: expected None with behaviour cloning, .*; (leave it out|set bc_steps)"
    if name == "bc_steps":
        message = "^bc_steps: expected a finite number of at least 1, got 0"
    with pytest.raises(ValueError, match=message) as caught:
        imitate("cartpole", "bc", quiet=True, **given)
    assert "\n" not in str(caught.value)


def test_cloning_writes_its_files(tmp_path: Path) -> None:
    imitate("cartpole", "bc", bc_steps=1, expert_subsample=2, out=tmp_path / "run", quiet=True)
    assert (tmp_path / "run" / "policy.zip").exists()


def test_an_option_of_a_method_is_checked_like_an_argument() -> None:
    method = Method("mine", "imitation", "gan", "A test.", options={"critic_every": 0})
    env, data = counting(1, continuous=True), always_one(continuous=True)
    with pytest.raises(ValueError, match=r"^critic_every: expected .*, got 0"):
        imitate(data, method, steps=1, env=env, algorithm="sac", quiet=True)
