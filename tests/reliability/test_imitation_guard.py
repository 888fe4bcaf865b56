"""Test that imitation neither saves nor returns a state that is not finite."""

import os
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import DQN, TD3
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from advlearn.core.finite import NonFiniteError
from advlearn.core.finite_state import named_tensors
from advlearn.imitation import imitate
from advlearn.training.checkpoint import load
from tests.imitation.counting import Counting, always_one, counting, small, weights_of


class At(BaseCallback):
    """Call a function after some environment steps."""

    def __init__(self, step: int, act: Any) -> None:
        super().__init__()
        self.step = step
        self.act = act

    def _on_step(self) -> bool:
        if self.num_timesteps == self.step:
            self.act(self.model)
        return True


def go(learner: Any = None, *callbacks: BaseCallback, continuous: bool = False, **more: Any) -> Any:
    settings: dict[str, Any] = {"steps": 192, "batch_size": 8, "critic_steps": 1, **more}
    learner = small(counting(2)) if learner is None else learner
    demonstrations = always_one(continuous)
    return imitate(demonstrations, algorithm=learner, callbacks=callbacks, quiet=True, **settings)


def poison(algorithm: Any) -> None:
    next(algorithm.policy.parameters()).detach().view(-1)[0] = float("nan")


def saved_is_finite(folder: Path) -> bool:
    tensors = named_tensors(load(folder)).values()
    return all(value.isfinite().all() for value in tensors if value.is_floating_point())


@pytest.mark.parametrize("kind", [DQN, TD3])
def test_an_off_policy_run_that_diverges_is_an_error(kind: Any) -> None:
    continuous = kind is TD3
    env = counting(1, continuous)
    learner = kind("MlpPolicy", env, learning_rate=1e30, learning_starts=10, seed=0, device="cpu")
    where = r"(policy\.\S+|critic step \d+: \w+)"
    line = rf"^step 60: {where} is not finite; last good checkpoint: none was saved$"
    with pytest.raises(NonFiniteError, match=line):
        go(learner, steps=60, continuous=continuous)


def test_a_critic_that_diverges_is_an_error() -> None:
    with pytest.raises(NonFiniteError, match=r"^step 32: critic step \d: R1 is not finite; "):
        go(critic_lr=1e30, critic_steps=2)


def test_a_poisoned_policy_is_named_instead_of_its_distribution() -> None:
    with pytest.raises(NonFiniteError, match=r"^step \d+: policy\.mlp.*weight is not finite; "):
        go(None, At(52, poison))


def test_an_observation_that_is_not_finite_is_named() -> None:
    class Broken(Counting):
        def step(self, action: Any) -> Any:
            result = super().step(action)
            return (result[0] * np.float32(np.nan if broken else 1), *result[1:])

    broken: list[None] = []
    env = DummyVecEnv([Broken])
    line = r"^step \d+: an observation of the environment is not finite; "
    with pytest.raises(NonFiniteError, match=line):
        go(small(env), At(52, lambda algorithm: broken.append(None)))


def test_a_poisoned_critic_never_replaces_a_good_checkpoint(tmp_path: Path) -> None:
    found: list[torch.optim.Adam] = []

    def build(parameters: Any) -> Any:
        found.append(torch.optim.Adam(parameters, lr=1e-3))
        return found[-1]

    def poison_state(algorithm: Any) -> None:
        next(iter(found[-1].state.values()))["exp_avg"].view(-1)[0] = float("nan")

    settings: dict[str, Any] = {"out": tmp_path, "save_every": 16, "optimizer": build}
    with pytest.raises(NonFiniteError, match=r"^step 128: .*checkpoint\.pt \(step 96\)$"):
        go(None, At(98, poison_state), steps=256, **settings)
    assert load(tmp_path)["steps"] == 96 and saved_is_finite(tmp_path)
    assert load(tmp_path / "checkpoint-previous.pt")["steps"] == 64
    run = go(steps=256, **settings)
    whole = go(steps=256, **{**settings, "out": tmp_path / "whole"})
    assert torch.equal(weights_of(run), weights_of(whole))
    assert {*os.listdir(tmp_path)} == {"checkpoint.pt", "history.csv", "whole"}


def test_a_failed_save_is_repeated_and_at_the_end_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "out"

    def block(algorithm: Any) -> None:
        shutil.rmtree(folder)
        folder.write_text("")

    def free(algorithm: Any) -> None:
        folder.unlink()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        go(None, At(70, block), At(140, free), out=folder, save_every=16)
    lines = [str(warning.message) for warning in caught if "checkpoint: " in str(warning.message)]
    assert len(lines) == 2 and "the next save is 32 steps later" in lines[0]
    assert load(folder)["steps"] == 192
    shutil.rmtree(folder)
    with warnings.catch_warnings(), pytest.raises(OSError, match=r"^checkpoint: cannot write "):
        warnings.simplefilter("ignore")
        go(None, At(70, block), out=folder, save_every=16)


@pytest.mark.parametrize("value", [0, -5, 1.5, float("nan"), True])
def test_an_interval_that_is_no_count_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^save_every: expected a whole number of at least 1, "):
        go(save_every=value)


def test_modes_that_cannot_train_are_one_line() -> None:
    with torch.inference_mode(), pytest.raises(ValueError, match=r"^inference_mode: expected "):
        go()
    with torch.no_grad():
        assert go().policy.num_timesteps == 192
