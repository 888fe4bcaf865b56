"""Experts of rl-baselines3-zoo, loaded with their scale of observations."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO, SAC
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy
from stable_baselines3.common.vec_env import DummyVecEnv, VecFrameStack, VecNormalize

from advlearn.imitation import imitate, record, zoo_expert
from tests.imitation.counting import Counting

# What the zoo writes next to a policy: YAML with Python objects.
CONFIG = """!!python/object/apply:collections.OrderedDict
- - - batch_size
    - 64
  - - normalize
    - true
"""


def scaled(env: str) -> VecNormalize:
    """Return an environment whose scale is far from that of its observations."""
    scale = VecNormalize(make_vec_env(env, 1, seed=0), training=False)
    scale.obs_rms.mean = np.array([0.5, -0.5, 2.0])  # type: ignore[union-attr]
    scale.obs_rms.var = np.array([4.0, 0.1, 25.0])  # type: ignore[union-attr]
    return scale


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder of the zoo with an expert that depends on its scale."""
    scale = scaled("Pendulum-v1")
    learner = PPO(
        "MlpPolicy", scale, n_steps=32, batch_size=32, seed=3, device="cpu",
        learning_rate=lambda left: 1e-2 * left,
    )  # fmt: skip
    learner.learn(64)
    made = tmp_path / "ppo" / "Pendulum-v1_1"
    (made / "Pendulum-v1").mkdir(parents=True)
    learner.save(made / "Pendulum-v1.zip")
    scale.save(str(made / "Pendulum-v1" / "vecnormalize.pkl"))
    (made / "Pendulum-v1" / "config.yml").write_text(CONFIG)
    (made / "Pendulum-v1" / "args.yml").write_text(CONFIG.replace("normalize", "eval_freq"))
    return made


def evaluated(folder: Path, episodes: int, *, scale: bool = True) -> list[float]:
    """Return the returns that stable-baselines3 measures as the zoo does."""
    venv: Any = make_vec_env("Pendulum-v1", 1, seed=0)
    if scale:
        venv = VecNormalize.load(str(folder / "Pendulum-v1" / "vecnormalize.pkl"), venv)
        venv.training = venv.norm_reward = False
    policy = PPO.load(folder / "Pendulum-v1.zip", device="cpu")
    return evaluate_policy(policy, venv, episodes, return_episode_rewards=True)[0]  # type: ignore[return-value]


def test_recorded_returns_of_an_expert_are_those_of_stable_baselines3(folder: Path) -> None:
    expert = zoo_expert(folder, trust=True)
    demos = record(expert, "Pendulum-v1", 3, deterministic=True)
    expected = evaluated(folder, 3)
    np.testing.assert_allclose(demos.expert_return, np.mean(expected), rtol=1e-6)
    # The scale matters: without it the same policy has other returns.
    assert abs(np.mean(evaluated(folder, 3, scale=False)) - np.mean(expected)) > 1
    # The observations are those of the environment: cosine and sine of an angle.
    observations: Any = demos.observations
    np.testing.assert_allclose((observations[:, :2] ** 2).sum(1), 1, rtol=1e-5)


def test_playing_in_the_experts_own_environment_gives_the_same_episodes(folder: Path) -> None:
    expert = zoo_expert(folder, trust=True)
    venv: Any = expert.get_env()
    assert type(venv) is VecNormalize and not venv.training and not venv.norm_reward
    demos = record(expert, venv, 2, deterministic=True)
    assert demos.env_id == "Pendulum-v1"
    np.testing.assert_allclose(demos.expert_return, np.mean(evaluated(folder, 2)), rtol=1e-6)
    np.testing.assert_array_equal(venv.obs_rms.mean, [0.5, -0.5, 2.0])  # pyright: ignore


def test_a_folder_of_a_run_is_read_too(folder: Path, tmp_path: Path) -> None:
    demos = record(zoo_expert(folder, trust=True), "Pendulum-v1", 1)
    learner = PPO("MlpPolicy", scaled("Pendulum-v1"), n_steps=32, batch_size=32, device="cpu")
    run = imitate(demos, steps=32, algorithm=learner, quiet=True)
    run.save(tmp_path / "run")
    expert = zoo_expert(tmp_path / "run", "Pendulum-v1", algorithm="ppo", trust=True)
    found = record(expert, "Pendulum-v1", 2, deterministic=True).expert_return
    np.testing.assert_allclose(found, run.returns(episodes=2).mean(), rtol=1e-6)


def test_frames_are_stacked_as_in_the_settings(tmp_path: Path) -> None:
    stacked = VecFrameStack(DummyVecEnv([Counting]), 3)
    learner = PPO("MlpPolicy", stacked, n_steps=16, batch_size=16, seed=0, device="cpu")
    made = tmp_path / "ppo" / "Counting-v0_1"
    (made / "Counting-v0").mkdir(parents=True)
    learner.save(made / "Counting-v0.zip")
    config = "- - - frame_stack\n    - 3\n  - - normalize\n    - false\n"
    (made / "Counting-v0" / "config.yml").write_text(config)
    expert = zoo_expert(made, DummyVecEnv([Counting]), trust=True)
    venv: Any = expert.get_env()
    assert venv.observation_space.shape == (3,)
    expected = evaluate_policy(learner, stacked, 1, warn=False)[0]
    assert record(expert, venv, 1, deterministic=True).expert_return == expected


def test_an_off_policy_expert_takes_no_memory_for_its_replay(tmp_path: Path) -> None:
    learner = SAC("MlpPolicy", "Pendulum-v1", buffer_size=100, device="cpu")
    (tmp_path / "sac" / "Pendulum-v1_1").mkdir(parents=True)
    learner.save(tmp_path / "sac" / "Pendulum-v1_1" / "best_model.zip")
    expert: Any = zoo_expert(tmp_path / "sac" / "Pendulum-v1_1", trust=True)
    assert type(expert) is SAC and expert.replay_buffer.buffer_size == 1  # pyright: ignore
    assert expert.get_vec_normalize_env() is None


def test_files_are_read_only_if_the_caller_trusts_them(folder: Path) -> None:
    (folder / "Pendulum-v1.zip").write_bytes(b"not a policy")
    with pytest.raises(ValueError, match=r"^trust: expected True, since .* are pickles.*got False"):
        zoo_expert(folder)


def test_an_expert_without_its_scale_is_refused(folder: Path) -> None:
    (folder / "Pendulum-v1" / "vecnormalize.pkl").unlink()
    with pytest.raises(FileNotFoundError, match=r"expected Pendulum-v1/vecnormalize.pkl"):
        zoo_expert(folder, trust=True)


def test_wrong_folders_and_environments_are_refused_in_one_line(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"^env: expected the expert's spaces, got others"):
        zoo_expert(folder, "CartPole-v1", trust=True)
    with pytest.raises(ValueError, match=r"^algorithm: expected one of a2c, .* got 'gail'"):
        zoo_expert(folder, algorithm="gail", trust=True)
    text = CONFIG + "  - - env_wrapper\n    - gymnasium.wrappers.TimeAwareObservation\n"
    (folder / "Pendulum-v1" / "config.yml").write_text(text)
    with pytest.raises(ValueError, match=r"^env: expected an .* env_wrapper gymnasium.wrappers"):
        zoo_expert(folder, trust=True)
    shutil.rmtree(folder / "Pendulum-v1")
    (folder / "Pendulum-v1.zip").unlink()
    with pytest.raises(FileNotFoundError, match=r"^folder: expected Pendulum-v1.zip, policy.zip"):
        zoo_expert(folder, trust=True)
