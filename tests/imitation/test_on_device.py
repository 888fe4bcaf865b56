"""`DevicePPO` against PPO of stable-baselines3 on the same environments and seeds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs import CartPole, StableBaselinesVecEnv
from advlearn_envs.batched import BatchedEnv
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecMonitor, VecNormalize

from advlearn.imitation import DevicePPO, imitate
from advlearn.imitation.on_device import DeviceRolloutBuffer
from tests.imitation.batches import (
    Keep,
    N,
    T,
    assert_same,
    cartpole,
    expert,
    in_numpy,
    maze,
    on_device,
    tight,
)
from tests.imitation.counting import counting


@pytest.mark.parametrize("make", [cartpole, tight, maze])
def test_rollouts_and_updates_equal_those_of_stable_baselines3(
    make: Callable[[], BatchedEnv],
) -> None:
    plain, device = in_numpy(make()), on_device(make())
    plain_rollouts, device_rollouts = Keep(), Keep()
    plain.learn(2 * N * T, callback=plain_rollouts)
    device.learn(2 * N * T, callback=device_rollouts)
    assert_same(device_rollouts.rollouts, plain_rollouts.rollouts)
    for a, b in zip(device.policy.parameters(), plain.policy.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert device.num_timesteps == plain.num_timesteps == 2 * N * T
    episodes = [[(e["r"], e["l"]) for e in learner.ep_info_buffer] for learner in (device, plain)]
    assert [length for _, length in episodes[0]] == [length for _, length in episodes[1]]
    assert [r for r, _ in episodes[0]] == pytest.approx([r for r, _ in episodes[1]], abs=1e-5)
    if make is cartpole:
        # Episodes ended in both ways, and a truncated one gets the value of its last observation.
        lengths = {length for _, length in episodes[0]}
        assert max(lengths) == 14 and min(lengths) < 14
        rewards = np.concatenate([part["rewards"].ravel() for part in device_rollouts.rollouts])
        assert 0 < (rewards != 1).sum() < len(episodes[0])
    variances = [
        learner.logger.name_to_value["train/explained_variance"] for learner in (device, plain)
    ]
    assert variances[0] == pytest.approx(variances[1], abs=1e-4) and np.isfinite(variances).all()


def test_plain_ppo_loads_the_files_of_device_ppo_and_the_reverse(tmp_path: Path) -> None:
    learner = on_device(CartPole(N)).learn(N * T)
    learner.save(tmp_path / "device.zip")
    plain = PPO.load(tmp_path / "device.zip", device="cpu")
    assert plain._last_obs is None and not isinstance(plain.rollout_buffer, DeviceRolloutBuffer)
    states = torch.randn(50, 4).numpy()
    assert np.array_equal(
        plain.predict(states, deterministic=True)[0], learner.predict(states, deterministic=True)[0]
    )
    plain.set_env(StableBaselinesVecEnv(CartPole(N)))
    assert plain.learn(N * T).num_timesteps == N * T
    plain.save(tmp_path / "plain.zip")
    again = DevicePPO.load(tmp_path / "plain.zip", env=CartPole(N + 1))
    assert isinstance(again.rollout_buffer, DeviceRolloutBuffer)
    assert (again.learning_rate, again.n_steps) == (3e-3, T)
    assert np.array_equal(
        plain.predict(states, deterministic=True)[0], again.predict(states, deterministic=True)[0]
    )
    assert again.learn(1, reset_num_timesteps=False).num_timesteps == (N + N + 1) * T


@pytest.mark.parametrize("objective", ["gail", "airl"])
@pytest.mark.parametrize("make", [cartpole, maze])
def test_imitation_writes_the_same_rewards_on_the_device_and_in_numpy(
    make: Callable[[], BatchedEnv], objective: str
) -> None:
    def go(learner: Any) -> tuple[list[dict[str, Any]], Any]:
        keep = Keep()
        settings: dict[str, Any] = {
            "steps": 2 * N * T,
            "critic_steps": 2,
            "batch_size": 8,
            "quiet": True,
        }
        return keep.rollouts, imitate(
            expert(make()), objective, algorithm=learner, callbacks=[keep], **settings
        )

    plain, _ = go(in_numpy(make()))
    device, run = go(on_device(make()))
    assert_same(device, plain)
    assert np.std(device[1]["rewards"]) > 0.01
    assert [row["steps"] for row in run.history] == [N * T, 2 * N * T]
    # The return is the true one.
    assert run.history[-1]["return"] == pytest.approx(
        np.mean([e["r"] for e in run.policy.ep_info_buffer])
    )
    assert make is maze or 8 < run.history[-1]["return"] <= 14


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    def go(folder: str, break_at: int = -1) -> Any:
        env = cartpole()
        original, steps = env.step, iter(range(break_at))

        def step(actions: torch.Tensor) -> Any:
            if break_at >= 0 and next(steps, None) is None:
                raise OSError("interrupted")
            return original(actions)

        env.step = step  # type: ignore[method-assign]
        settings: dict[str, Any] = {
            "steps": 5 * N * T,
            "critic_steps": 2,
            "batch_size": 8,
            "seed": 3,
            "quiet": True,
        }
        out = tmp_path / folder
        return imitate(
            expert(env), algorithm=on_device(env), out=out, save_every=2 * N * T, **settings
        )

    whole = go("whole")
    with pytest.raises(OSError, match="interrupted"):
        go("broken", break_at=3 * T + 5)
    resumed = go("broken")
    assert resumed.policy.num_timesteps == whole.policy.num_timesteps == 5 * N * T
    for a, b in zip(
        whole.policy.policy.parameters(), resumed.policy.policy.parameters(), strict=True
    ):
        assert torch.equal(a, b)
    assert [row["return"] for row in resumed.history[:2]] == [
        row["return"] for row in whole.history[:2]
    ]


def test_a_callback_stops_the_run_at_once_and_the_given_environment_is_unchanged() -> None:
    class Stop(BaseCallback):
        def _on_step(self) -> bool:
            return self.n_calls < 13

    given = StableBaselinesVecEnv(CartPole(N, time_limit=11))
    inner = given.env
    learner = on_device(given).learn(N * T, callback=Stop())
    assert learner.num_timesteps == 13 * N and given.env is inner
    assert learner.ep_info_buffer and {e["l"] for e in learner.ep_info_buffer} <= {8, 9, 10, 11}
    assert (given.reset() == inner.state.float().numpy()).all()


def test_a_seed_for_the_next_reset_of_the_given_environment_is_used() -> None:
    given = StableBaselinesVecEnv(cartpole())
    given.seed(9)
    learner = on_device(given, seed=None)
    assert np.array_equal(learner.get_env().reset(), cartpole().reset(9).numpy())  # type: ignore[union-attr]


class Pictures(CartPole):
    """An environment whose observations are images."""

    observation_space = spaces.Box(0, 255, (4, 4, 3), np.uint8)  # type: ignore[assignment]


class Named(CartPole):
    observation_space = spaces.Dict({"a": spaces.Box(0, 1, (2,))})  # type: ignore[assignment]


class Both(CartPole):
    action_space = spaces.MultiDiscrete([2, 2])  # type: ignore[assignment]


def test_bad_input_is_named(tmp_path: Path) -> None:
    wanted = "^env: expected a BatchedEnv or a StableBaselinesVecEnv around one, .*, got "
    vec = StableBaselinesVecEnv(cartpole())
    for env in (VecNormalize(vec), VecMonitor(vec), counting()):
        with pytest.raises(TypeError, match=wanted + type(env).__name__):
            on_device(env)
    for env, words in (
        (Pictures(2), "observations that are vectors, got Box"),
        (Named(2), "observations that are vectors, got Dict"),
        (Both(2), "actions that are Discrete or a Box, got MultiDiscrete"),
    ):
        with pytest.raises(ValueError, match=f"^env: expected {words}"):
            on_device(env)
    with pytest.raises(
        ValueError, match=r"^env: expected one on meta, the device of the policy, got one on cpu"
    ):
        on_device(cartpole(), device="meta")
    with pytest.raises(
        ValueError, match=r"^policy: expected 'MlpPolicy' or a class, got 'CnnPolicy'$"
    ):
        DevicePPO("CnnPolicy", cartpole())
    noisy = PPO(
        "MlpPolicy",
        StableBaselinesVecEnv(maze()),
        use_sde=True,
        device="cpu",
        n_steps=8,
        batch_size=16,
    )
    noisy.save(tmp_path / "noisy.zip")
    with pytest.raises(ValueError, match=r"^use_sde: expected False, .*, got True"):
        DevicePPO.load(tmp_path / "noisy.zip")
    learner = on_device(cartpole())
    with pytest.raises(TypeError, match=wanted + "DummyVecEnv"):
        learner.set_env(counting(N))
    with torch.no_grad():
        learner.policy.action_net.bias.fill_(torch.nan)
    with pytest.raises(
        ValueError,
        match=f"^policy: expected finite log-probabilities, got NaN or infinity in {N * T} of",
    ):
        learner.learn(1)
