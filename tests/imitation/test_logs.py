"""What a run writes down: the logger, held-out returns, the best policy, the table at the end."""

import csv
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO, SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import configure
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from advlearn.imitation import Demonstrations, imitate, load_demonstrations
from advlearn.imitation.sb3.held_out import SEED_OFFSET
from advlearn.imitation.summary import summary
from tests.imitation.counting import always_one, counting, small, weights_of


def cartpole() -> Demonstrations:
    return load_demonstrations("cartpole").first(1)


def scaled() -> VecMonitor:
    """Return environments with a monitor outside of the scale."""
    return VecMonitor(VecNormalize(DummyVecEnv([lambda: gym.make("CartPole-v1")] * 2)))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


class Interrupt(BaseCallback):
    """Raise an error at a step."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.at:
            raise OSError("interrupted")
        return True


def test_the_logger_has_the_rows_of_the_history(tmp_path: Path) -> None:
    learner = small(make_vec_env("CartPole-v1", 2, seed=0))
    learner.set_logger(configure(str(tmp_path), ["csv", "tensorboard"]))
    run = imitate(cartpole(), steps=96, algorithm=learner, evaluate=64, quiet=True)
    learner.logger.close()
    logged = [row for row in rows_of(tmp_path / "progress.csv") if row["critic/loss"]]
    assert len(logged) == len(run.history) == 3
    for row, entry in zip(logged, run.history, strict=True):
        assert float(row["critic/loss"]) == pytest.approx(entry["critic_loss"])
        for name in ("accuracy", "real_score", "fake_score"):
            assert float(row[f"critic/{name}"]) == pytest.approx(entry[name])
        assert float(row["rollout/learned_reward"]) == pytest.approx(entry["reward"])
    held_out = [
        float(row["eval/mean_return"])
        for row in rows_of(tmp_path / "progress.csv")
        if row.get("eval/mean_return")
    ]
    assert held_out == [row["return"] for row in run.evaluations] and len(held_out) == 2
    assert list(tmp_path.glob("events.*"))


def test_held_out_returns_are_those_of_a_new_environment() -> None:
    learner = small(make_vec_env("CartPole-v1", 2, seed=0))
    run = imitate(cartpole(), steps=96, algorithm=learner, evaluate=64, quiet=True)
    assert [row["steps"] for row in run.evaluations] == [64, 96]
    returns = run.returns(episodes=10, seed=SEED_OFFSET)
    assert run.evaluations[-1]["return"] == returns.mean()
    assert run.evaluations[-1]["deviation"] == returns.std()


def test_a_training_does_not_notice_held_out_returns() -> None:
    plain, measured = (
        imitate(cartpole(), steps=192, algorithm=small(scaled()), evaluate=every, quiet=True)
        for every in (None, 32)
    )
    assert len(measured.evaluations) == 6 and plain.evaluations == []
    assert torch.equal(weights_of(plain), weights_of(measured))
    assert str(plain.history) == str(measured.history)
    scales = [run.policy.get_vec_normalize_env().obs_rms for run in (plain, measured)]  # type: ignore[union-attr]
    np.testing.assert_array_equal(scales[0].mean, scales[1].mean)  # type: ignore[union-attr]


def test_the_best_policy_is_kept_and_a_resumed_run_has_the_same(tmp_path: Path) -> None:
    def go(folder: str, at: int = 1000) -> Any:
        return imitate(
            cartpole(), steps=256, algorithm=small(scaled(), learning_rate=0.02), quiet=True,
            out=tmp_path / folder, save_every=32, evaluate=32, callbacks=[Interrupt(at)],
        )  # fmt: skip

    whole = go("whole")
    with pytest.raises(OSError, match="interrupted"):
        go("broken", 150)
    resumed = go("broken")
    assert whole.evaluations == resumed.evaluations and len(whole.evaluations) == 8
    assert torch.equal(weights_of(whole), weights_of(resumed))
    returns = [row["return"] for row in whole.evaluations]
    assert whole.best["return"] == max(returns) > min(returns)
    for folder in (tmp_path / "whole" / "best", tmp_path / "broken" / "best"):
        scale = VecNormalize.load(str(folder / "vecnormalize.pkl"), make_vec_env("CartPole-v1", 1))
        whole.policy = PPO.load(folder / "policy.zip", env=scale, device="cpu")
        venv = make_vec_env("CartPole-v1", 1, seed=SEED_OFFSET)
        assert whole.returns(venv, 10).mean() == max(returns)
    written = rows_of(tmp_path / "broken" / "history.csv")
    assert [int(row["steps"]) for row in written] == [row["steps"] for row in whole.history]


def test_the_first_of_equal_policies_is_the_best() -> None:
    run = imitate(always_one(), steps=48, algorithm=small(counting()), quiet=True)
    assert run.best is None
    run.evaluations += [{"steps": n, "return": value} for n, value in ((1, 2.0), (2, 3.0), (3, 3))]
    assert run.best == {"steps": 2, "return": 3.0}


def test_environments_that_cannot_be_built_are_refused_before_any_step() -> None:
    learner = small(counting())
    with pytest.raises(ValueError, match=r"^evaluate: expected None, .*has no id.* got 16; leave"):
        imitate(always_one(), steps=48, algorithm=learner, evaluate=16, quiet=True)
    assert learner.num_timesteps == 0


def test_a_short_run_of_an_off_policy_algorithm_has_a_row(tmp_path: Path) -> None:
    learner = SAC("MlpPolicy", counting(1, True), learning_starts=8, batch_size=8, device="cpu")
    learner.set_logger(configure(str(tmp_path), ["csv"]))
    run = imitate(always_one(True), steps=40, algorithm=learner, quiet=True)
    learner.logger.close()
    assert float(rows_of(tmp_path / "progress.csv")[-1]["critic/accuracy"]) >= 0
    assert [row["steps"] for row in run.history] == [40]
    assert np.isfinite(run.history[0]["reward"]) and 0 <= run.history[0]["accuracy"] <= 1


def test_a_table_ends_a_run(capsys: Any) -> None:
    learner = small(make_vec_env("CartPole-v1", 2, seed=0))
    run = imitate(cartpole(), steps=64, algorithm=learner, evaluate=64)
    lines = summary(run).splitlines()
    assert "\n".join(lines) in capsys.readouterr().err
    names = dict(line.split("  ", 1) for line in lines)
    assert names["steps"].strip() == "64" and names["return of the expert"].strip() == "500"
    best = run.evaluations[0]["return"]
    assert names["best, held out"].strip() == f"{best:.4g} at step 64"
    assert names["accuracy of the critic"].strip() == f"{100 * run.history[-1]['accuracy']:.0f} %"
