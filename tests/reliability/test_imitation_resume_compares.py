"""A resumed run of imitation has the settings of its checkpoint, or is refused in one line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import gymnasium as gym
from stable_baselines3 import SAC, TD3
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import VecFrameStack, VecNormalize

import advlearn
from advlearn.imitation import imitate
from advlearn.imitation.sb3.resume_settings import facts_of
from advlearn.training import checkpoint
from tests.imitation.counting import always_one, counting, small, weights_of


def go(out: Path, learner: Any = None, **given: Any) -> Any:
    settings: dict[str, Any] = {"steps": 48, "critic_steps": 1, "batch_size": 8, "quiet": True}
    learner = small(counting()) if learner is None else learner
    return imitate(always_one(), algorithm=learner, out=out, **{**settings, **given})


def power(a: float) -> Any:
    return lambda scores: a * scores


DIFFERENT = {
    "algorithm_settings.clip_range": lambda: ({}, {"learner": small(counting(), clip_range=0.1)}),
    "algorithm_settings.target_kl": lambda: ({}, {"learner": small(counting(), target_kl=0.1)}),
    "algorithm_settings.policy_kwargs": lambda: (
        {},
        {"learner": small(counting(), policy_kwargs={"ortho_init": False})},
    ),
    "learning_rate_course": lambda: (
        {},
        {"learner": small(counting(), learning_rate=lambda left: 3e-4 * left)},
    ),
    "environment.wrappers.VecNormalize": lambda: (
        {"learner": small(VecNormalize(counting()))},
        {"learner": small(VecNormalize(counting(), clip_obs=5.0))},
    ),
    "n_envs": lambda: ({}, {"learner": small(counting(2))}),
    "absorbing": lambda: ({}, {"absorbing": True}),
    "values_of_reward": lambda: ({"reward": power(1.0)}, {"reward": power(2.0)}),
    "critic_lr": lambda: ({}, {"critic_lr": 0.5}),
    "seed": lambda: ({}, {"seed": 4}),
}


@pytest.mark.parametrize("name", DIFFERENT)
def test_a_difference_is_named(name: str, tmp_path: Path) -> None:
    first, second = DIFFERENT[name]()
    go(tmp_path, **first)
    with pytest.raises(ValueError, match=rf"^out: .* holds a run with {name}") as caught:
        go(tmp_path, **second)
    assert "\n" not in str(caught.value)


def test_arguments_and_wrappers_of_environments_are_facts() -> None:
    def facts(env: Any, kind: Any = SAC, **settings: Any) -> dict[str, Any]:
        return facts_of(kind("MlpPolicy", env, device="cpu", **settings))

    def pendulum(**given: Any) -> Any:
        return make_vec_env("Pendulum-v1", 1, **given)

    plain = facts(pendulum())
    assert plain == facts(pendulum())
    assert plain["environment"]["max_episode_steps"] == 200
    different = [
        facts(pendulum(env_kwargs={"g": 9.0})),
        facts(pendulum(wrapper_class=lambda env: gym.wrappers.TimeAwareObservation(env))),
        facts(pendulum(wrapper_class=gym.wrappers.TransformReward, wrapper_kwargs={"func": abs})),
        facts(VecFrameStack(pendulum(), 3)),
        facts(pendulum(), target_entropy=-2.0),
        facts(pendulum(), train_freq=4),
        facts(pendulum(), TD3, policy_delay=3),
        facts(pendulum(), TD3, action_noise=NormalActionNoise(np.zeros(1), np.ones(1))),
        facts(pendulum(), TD3, action_noise=NormalActionNoise(np.zeros(1), 2 * np.ones(1))),
    ]
    texts = {repr(f) for f in [plain, *different]}
    assert len(texts) == len(different) + 1


def test_the_critic_rate_and_the_batch_size_change_on_request(tmp_path: Path) -> None:
    go(tmp_path)
    line = r"holds a run with batch_size=8, got 4; .* resume_with=\{'batch_size': 4\}$"
    with pytest.raises(ValueError, match=line):
        go(tmp_path, batch_size=4)
    changes = {"critic_lr": 0.5, "batch_size": 4, "steps": 96}
    run = go(tmp_path, resume_with=changes)
    assert run.policy.num_timesteps == 96
    assert run.reward.adversary.optimizer.param_groups[0]["lr"] == 0.5
    assert checkpoint.load(tmp_path)["recipe"]["batch_size"] == 4
    again = go(tmp_path, critic_lr=0.5, batch_size=4)
    assert torch.equal(weights_of(again), weights_of(run))
    with pytest.raises(ValueError, match="resume_with: expected settings among batch_size, critic"):
        go(tmp_path, resume_with={"lr": 0.5})
    with pytest.raises(ValueError, match="resume_with: expected a folder with a checkpoint"):
        go(tmp_path / "new", resume_with={"critic_lr": 0.5})


def test_fit_passes_the_changes_on(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"steps": 48, "batch_size": 8, "out": tmp_path, "critic_steps": 1}
    settings |= {"algorithm": small(counting()), "quiet": True}
    advlearn.fit("gail", data=always_one(), **settings)
    run = advlearn.fit("gail", data=always_one(), resume_with={"lr": 0.5}, **settings)
    assert run.reward.adversary.optimizer.param_groups[0]["lr"] == 0.5
    with pytest.raises(ValueError, match=r"^warm_start: imitation has no such option"):
        advlearn.fit("gail", data=always_one(), warm_start=tmp_path, **settings)


def test_a_checkpoint_of_an_older_version_resumes_with_a_warning(tmp_path: Path) -> None:
    go(tmp_path)
    payload = checkpoint.load(tmp_path)
    for name in ("facts", "format", "advlearn"):
        del payload[name]
    checkpoint.save(tmp_path / checkpoint.NAME, payload)
    with pytest.warns(UserWarning, match=r"older version.*: algorithm_settings\.clip_range"):
        assert go(tmp_path, steps=96).policy.num_timesteps == 96
