"""The adapter to stable-baselines3."""

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import CartPole, CMaze, Pendulum, StableBaselinesVecEnv, make
from advlearn_envs.catalogue import available
from stable_baselines3 import PPO
from stable_baselines3.common.env_checker import check_env
from stable_baselines3.common.vec_env import VecMonitor


@pytest.mark.parametrize("name", available())
# The ranges are gymnasium's, and version 4 has a newer one.
@pytest.mark.filterwarnings(
    "ignore:We recommend you to use a symmetric and normalized Box action space:UserWarning",
    "ignore:.*is out of date:DeprecationWarning",
)
def test_they_pass_the_checker_of_stable_baselines3(name: str) -> None:
    check_env(gymnasium.make(f"advlearn/{name}"), skip_render_check=True)


@pytest.mark.parametrize("name", ["CartPole-v1", "CMaze-v0"])
def test_ppo_trains_on_a_batch(name: str) -> None:
    venv = VecMonitor(StableBaselinesVecEnv(make(name, 8, time_limit=10)))
    model = PPO("MlpPolicy", venv, n_steps=16, batch_size=64, n_epochs=1, seed=0, device="cpu")
    before = [p.clone() for p in model.policy.parameters()]
    model.learn(256)
    assert model.num_timesteps == 256
    assert any(
        not torch.equal(a, b) for a, b in zip(before, model.policy.parameters(), strict=True)
    )
    assert {episode["l"] for episode in model.ep_info_buffer} <= set(range(1, 11))
    assert len(model.ep_info_buffer) >= 24


def test_a_truncated_episode_has_the_info_and_its_last_observation() -> None:
    venv = StableBaselinesVecEnv(Pendulum(3, time_limit=4))
    venv.reset()
    batch = Pendulum(3, time_limit=4)
    batch.reset()
    for t in range(4):
        actions = np.full((3, 1), 0.5, np.float32)
        observations, rewards, dones, infos = venv.step(actions)
        step = batch.step(torch.from_numpy(actions))
        assert np.array_equal(observations, step.observations.numpy())
        assert np.array_equal(rewards, step.rewards.numpy())
        assert dones.tolist() == [t == 3] * 3
    assert all(info["TimeLimit.truncated"] is True for info in infos)
    for info, final in zip(infos, step.final_observations.numpy(), strict=True):
        assert np.array_equal(info["terminal_observation"], final)
    assert not np.array_equal(observations, step.final_observations.numpy())


def test_a_terminated_episode_is_not_truncated() -> None:
    venv = StableBaselinesVecEnv(CartPole(3))
    venv.reset()
    dones = np.zeros(3, bool)
    while not dones.any():
        _, _, dones, infos = venv.step(np.ones(3, np.int64))
    for done, info in zip(dones, infos, strict=True):
        assert info.get("TimeLimit.truncated", None) == (False if done else None)
        assert ("terminal_observation" in info) == done
    assert all(abs(info["terminal_observation"][2]) > 0.2 for info in infos if info)


def test_a_step_that_is_terminated_and_truncated_counts_as_terminated() -> None:
    """Otherwise SB3 would bootstrap from the value of a terminal state."""
    venv = StableBaselinesVecEnv(CartPole(1, time_limit=1))
    venv.reset()
    saved = venv.env.state_dict()
    venv.env.load_state_dict(
        {**saved, "state": torch.tensor([[2.39], [5.0], [0.0], [0.0]], dtype=torch.float64)}
    )
    _, _, dones, infos = venv.step(np.ones(1, np.int64))
    assert dones[0] and infos[0]["TimeLimit.truncated"] is False


def test_a_seed_is_used_once_at_the_next_reset() -> None:
    venv = StableBaselinesVecEnv(CartPole(3))
    venv.seed(4)
    first, second = venv.reset(), venv.reset()
    assert not np.array_equal(first, second)
    venv.seed(4)
    assert np.array_equal(first, venv.reset())
    assert np.array_equal(first, CartPole(3).reset(seed=4).numpy())


def test_attributes_are_those_of_the_batch_and_setters_and_methods_are_refused() -> None:
    venv = StableBaselinesVecEnv(CMaze(3))
    assert venv.get_attr("time_limit", [0, 2]) == [100, 100]
    assert venv.env_is_wrapped(gymnasium.Wrapper) == [False] * 3
    with pytest.raises(AttributeError, match=r"attr_name: .* got 'time_limit'; set"):
        venv.set_attr("time_limit", 5)
    with pytest.raises(AttributeError, match=r"method_name: .* got 'render'; call"):
        venv.env_method("render")
    with pytest.raises(RuntimeError, match="call step_async first"):
        venv.step_wait()
