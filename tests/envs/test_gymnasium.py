"""The environments through gymnasium: its registry, its checker, its vector environments."""

import subprocess
import sys

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import CartPole, GymnasiumEnv, GymnasiumVectorEnv, Pendulum
from advlearn_envs.catalogue import available
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from tests.script_server import ScriptServer

NAMES = [f"advlearn/{name}" for name in available()]


def run(code: str) -> str:
    """Run Python code in a new process and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_package_registers_the_environments_and_does_not_import_torch() -> None:
    code = "import sys, advlearn_envs, gymnasium; gymnasium.spec('advlearn/CMaze-v0'); "
    assert run(code + "print(*({'torch', 'stable_baselines3'} & sys.modules.keys()))") == ""


def forked(server: ScriptServer, code: str) -> str:
    """Run Python code in a process that has imported torch, and return what it prints."""
    done = server.python("-W", "error", "-c", code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_batches_do_not_import_stable_baselines3(torch_only: ScriptServer) -> None:
    code = "import sys, advlearn_envs as e; e.CartPole(2).reset(); e.record; "
    assert forked(torch_only, code + "print('stable_baselines3' in sys.modules)") == "False"


def test_gymnasium_finds_them_without_an_import_of_the_package(torch_only: ScriptServer) -> None:
    code = "import gymnasium; env = gymnasium.make('advlearn_envs:advlearn/CartPole-v1'); "
    assert forked(torch_only, code + "print(env.reset(seed=0)[0].shape)") == "(4,)"


@pytest.mark.parametrize("prefix", ["advlearn/", "advlearn_envs:advlearn/"])
def test_imitation_takes_their_ids_without_an_import_of_the_package(
    prefix: str, torch_only: ScriptServer
) -> None:
    pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")
    code = (
        "from advlearn.imitation.sb3.algorithms import environments as build; "
        f"name = {prefix + 'Pendulum-v1'!r}; "
        "print(build(name, 1, 0).num_envs, type(build(name, 2, 0).venv).__name__)"
    )
    assert forked(torch_only, code) == "1 StableBaselinesVecEnv"


@pytest.mark.parametrize("name", NAMES)
# The action ranges are those of gymnasium's classic environments, and version 4 has a newer one.
@pytest.mark.filterwarnings(
    "ignore:.*recommend.*:UserWarning",
    "ignore:.*Box observation space.*:UserWarning",
    "ignore:.*is out of date:DeprecationWarning",
)
def test_they_pass_gymnasiums_checker(name: str) -> None:
    check_env(gymnasium.make(name).unwrapped, skip_render_check=True)


def test_the_time_limit_is_gymnasiums_wrapper() -> None:
    env = gymnasium.make("advlearn/CMaze-v0")
    env.reset(seed=0)
    truncated = [env.step(np.zeros(2, np.float32))[3] for _ in range(100)]
    assert truncated == [False] * 99 + [True]
    longer = gymnasium.make("advlearn/CMaze-v0", max_episode_steps=150)
    longer.reset(seed=0)
    assert not any(longer.step(np.zeros(2, np.float32))[3] for _ in range(149))


def test_a_single_environment_returns_the_last_observation() -> None:
    env = gymnasium.make("advlearn/CartPole-v1")
    env.reset(seed=0)
    terminated = False
    while not terminated:
        observation, reward, terminated, _, info = env.step(1)
    assert abs(observation[2]) > 0.2
    assert reward == 1.0 and info == {}
    assert type(reward) is float and type(terminated) is bool


def test_unseeded_environments_differ() -> None:
    assert not np.array_equal(
        *(gymnasium.make("advlearn/CartPole-v1").reset()[0] for _ in range(2))
    )
    assert not np.array_equal(
        *(gymnasium.make_vec("advlearn/CartPole-v1", 2).reset()[0] for _ in range(2))
    )
    assert not np.array_equal(*GymnasiumVectorEnv(CartPole(2)).reset()[0])


def test_make_vec_builds_a_batch_with_the_given_limit() -> None:
    envs = gymnasium.make_vec("advlearn/Pendulum-v1", 3, max_episode_steps=7)
    assert isinstance(envs.unwrapped, GymnasiumVectorEnv)
    assert envs.unwrapped.env.time_limit == 7
    assert gymnasium.make_vec("advlearn/Pendulum-v1", 3).unwrapped.env.time_limit == 200
    envs.reset(seed=0)
    assert envs.observation_space.contains(envs.reset(seed=0)[0])


def roll(envs: gymnasium.vector.VectorEnv) -> tuple[np.ndarray, dict]:
    """Push right from a seeded start until an episode ends; return its observations and infos."""
    envs.reset(seed=0)
    while True:
        observations, _, terminated, _, infos = envs.step(np.ones(3, np.int64))
        if terminated.any():
            return observations, infos


def test_ended_episodes_have_the_infos_of_gymnasiums_vector_environment() -> None:
    mode = {"autoreset_mode": AutoresetMode.SAME_STEP}
    reference = gymnasium.make_vec(
        "advlearn/CartPole-v1", 3, vectorization_mode="sync", vector_kwargs=mode
    )
    batch = gymnasium.make_vec("advlearn/CartPole-v1", 3)
    assert batch.metadata["autoreset_mode"] is reference.metadata["autoreset_mode"]
    observations, infos = roll(batch)
    _, expected = roll(reference)
    assert infos.keys() == expected.keys()
    assert {k: (type(v), getattr(v, "dtype", None)) for k, v in infos.items()} == {
        k: (type(v), getattr(v, "dtype", None)) for k, v in expected.items()
    }
    for i, ended in enumerate(infos["_final_obs"]):
        if ended:
            assert abs(infos["final_obs"][i][2]) > 0.2 and np.abs(observations[i]).max() <= 0.05
        else:
            assert infos["final_obs"][i] is None and np.abs(observations[i]).max() > 0.05


def test_the_adapter_returns_the_numbers_of_the_batch() -> None:
    envs, env = GymnasiumVectorEnv(Pendulum(4)), Pendulum(4)
    assert np.array_equal(envs.reset(seed=3)[0], env.reset(seed=3).numpy())
    for _ in range(5):
        actions = np.full((4, 1), 0.7, np.float64)
        observations, rewards, terminated, truncated, infos = envs.step(actions)
        step = env.step(torch.from_numpy(actions).float())
        assert np.array_equal(observations, step.observations.numpy())
        assert np.array_equal(rewards, step.rewards.numpy())
        assert not terminated.any() and not truncated.any() and infos == {}


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="env: expected a batch of 1 environment, got 2"):
        GymnasiumEnv(CartPole(2))
    envs = GymnasiumVectorEnv(CartPole(2))
    envs.reset()
    with pytest.raises(ValueError, match="actions: expected 0 to 1, got 0 to 2"):
        envs.step(np.array([0, 2]))
    with pytest.raises(ValueError, match="actions: expected whole numbers, got float64"):
        envs.step(np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match=r"actions: expected torch.int64 \(2,\) on cpu"):
        envs.step(np.array([0, 1, 1]))
