"""Resumed runs with hindsight, gSDE, noise, scales and callbacks end like uninterrupted ones."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import sb3_contrib
from stable_baselines3 import A2C, PPO, SAC, TD3, HerReplayBuffer
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback, EvalCallback
from stable_baselines3.common.noise import NormalActionNoise
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from advlearn.imitation import Demonstrations, imitate
from tests.imitation.counting import always_one, counting, small, weights_of


class Reach(gym.Env[Any, Any]):
    """Move to a goal on a line, in episodes of seven steps."""

    def __init__(self) -> None:
        box = gym.spaces.Box(-9, 9, (1,), np.float32)
        names = ("observation", "achieved_goal", "desired_goal")
        self.observation_space = gym.spaces.Dict(dict.fromkeys(names, box))
        self.action_space = gym.spaces.Box(-1, 1, (1,), np.float32)

    def _seen(self) -> dict[str, Any]:
        at = np.array([self.at], np.float32)
        goal = np.array([self.goal], np.float32)
        return {"observation": at, "achieved_goal": at, "desired_goal": goal}

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.at, self.steps = 0.0, 0
        self.goal = float(self.np_random.uniform(-2, 2))
        return self._seen(), {}

    def compute_reward(self, achieved: Any, desired: Any, info: Any) -> Any:
        return -np.abs(np.asarray(achieved) - desired)[..., 0]

    def step(self, action: Any) -> Any:
        self.at, self.steps = (
            float(np.clip(self.at + np.asarray(action).item(), -9, 9)),
            self.steps + 1,
        )
        return self._seen(), -abs(self.at - self.goal), False, self.steps >= 7, {}


def reached() -> Demonstrations:
    """Return two episodes that move to the goal at once."""
    at = np.array([0, 1, 1, 1, 1, 1, 1, 1] * 2, np.float32)[:, None]
    parts = {"observation": at, "achieved_goal": at, "desired_goal": np.ones_like(at)}
    actions = np.array([1, 0, 0, 0, 0, 0, 0] * 2, np.float32)[:, None]
    return Demonstrations(parts, actions, np.array([7, 7]), np.array([False, False]))


class Decaying(NormalActionNoise):
    """Halve the noise at each call."""

    def __call__(self) -> Any:
        self.factor = getattr(self, "factor", 1.0) * 0.95
        return super().__call__() * self.factor


class Interrupt(BaseCallback):
    """Raise an error at a step."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def _on_step(self) -> bool:
        if self.num_timesteps >= self.at:
            raise OSError("interrupted")
        return True


OFF: dict[str, Any] = {"buffer_size": 80, "batch_size": 8, "learning_starts": 16, "seed": 0}
HER: dict[str, Any] = {"replay_buffer_class": HerReplayBuffer, "policy_kwargs": {"net_arch": [8]}}


def learner_of(kind: str) -> Any:
    """Return an algorithm with a state that is hard to restore."""
    if kind == "her":
        env = VecMonitor(DummyVecEnv([Reach]))
        return SAC("MultiInputPolicy", env, device="cpu", **OFF, **HER)
    if kind == "sac sde":
        return SAC("MlpPolicy", counting(1, True), use_sde=True, sde_sample_freq=5, **OFF)
    if kind == "sac scale":
        return SAC("MlpPolicy", VecNormalize(counting(1, True)), **OFF)
    if kind == "td3 noise":
        noise = Decaying(np.zeros(1), 0.5 * np.ones(1))
        return TD3("MlpPolicy", counting(1, True), action_noise=noise, **OFF)
    settings: dict[str, Any] = {"n_steps": 8, "seed": 0, "device": "cpu", "use_sde": True}
    settings |= {"sde_sample_freq": 3}
    if kind == "a2c sde":
        return A2C("MlpPolicy", counting(2, True), **settings)
    if kind == "recurrent sde":
        recurrent = sb3_contrib.RecurrentPPO
        return recurrent("MlpLstmPolicy", counting(2, True), batch_size=8, n_epochs=1, **settings)
    return PPO("MlpPolicy", counting(2, True), batch_size=8, n_epochs=1, **settings)


@pytest.mark.parametrize(
    "kind", ["her", "sac sde", "sac scale", "td3 noise", "ppo sde", "a2c sde", "recurrent sde"]
)
def test_a_resumed_run_ends_like_an_uninterrupted_one(kind: str, tmp_path: Path) -> None:
    demos = reached() if kind == "her" else always_one(True)

    def go(folder: str, at: int = 1000) -> Any:
        learner = learner_of(kind)
        run = imitate(
            demos, steps=128, algorithm=learner, out=tmp_path / folder, save_every=24,
            callbacks=[Interrupt(at)], batch_size=8, quiet=True,
        )  # fmt: skip
        return run, getattr(learner, "replay_buffer", None)

    (whole, buffer), _ = go("whole"), None
    for at in (60, 110):
        with pytest.raises(OSError, match="interrupted"):
            go("broken", at)
    resumed, restored = go("broken")
    assert torch.equal(weights_of(whole), weights_of(resumed))
    assert str(whole.history) == str(resumed.history)
    if kind == "her":
        # Resets at a checkpoint end an episode, so that none is longer than the environment's.
        assert set(np.unique(buffer.ep_length)) <= set(range(8))
        np.testing.assert_array_equal(buffer.ep_length, restored.ep_length)


class Scored(BaseCallback):
    """Count the steps, and remember the largest count of the environment."""

    def __init__(self, goal: int = 3) -> None:
        super().__init__()
        self.goal = goal
        self.largest = np.zeros(1)
        self.seen: dict[int, list[float]] = {}

    def _on_step(self) -> bool:
        counts = np.asarray(self.training_env.get_attr("count"))
        self.largest = np.maximum(self.largest, counts.max())
        self.seen.setdefault(0, []).append(float(counts[0]))
        return True


def test_callbacks_continue_with_their_counts_and_best_values(tmp_path: Path) -> None:
    def go(steps: int, goal: int = 3) -> tuple[EvalCallback, Scored]:
        evaluated = EvalCallback(
            VecMonitor(counting(1)), eval_freq=16, n_eval_episodes=1, verbose=0,
            best_model_save_path=str(tmp_path / "best"), log_path=str(tmp_path),
        )  # fmt: skip
        scored = Scored(goal)
        imitate(
            always_one(), steps=steps, algorithm=small(VecMonitor(counting())), quiet=True,
            out=tmp_path / "run", callbacks=[evaluated, scored],
        )  # fmt: skip
        return evaluated, scored

    evaluated, scored = go(96)
    assert (evaluated.n_calls, len(evaluated.evaluations_results)) == (32, 2)
    evaluated.best_mean_reward = 0.0
    again, counted = go(192, goal=5)
    assert (again.n_calls, len(again.evaluations_results)) == (64, 4)
    assert again.evaluations_timesteps == [48, 96, 144, 192]
    assert again.best_mean_reward >= max(map(np.mean, again.evaluations_results))
    assert len(counted.seen[0]) == 64 and counted.seen[0][:32] == scored.seen[0]
    assert isinstance(counted.largest, np.ndarray) and counted.largest >= scored.largest
    # A setting is that of the call.
    assert counted.goal == 5


def test_the_best_value_of_an_evaluation_is_kept(tmp_path: Path) -> None:
    class Lucky(BaseCallback):
        """Make the next evaluation the best of all."""

        def _on_step(self) -> bool:
            self.parent.best_mean_reward = 1e6  # type: ignore[union-attr]
            return True

    def go(steps: int, lucky: bool) -> EvalCallback:
        evaluated = EvalCallback(
            VecMonitor(counting(1)), eval_freq=16, n_eval_episodes=1, verbose=0,
            callback_on_new_best=Lucky() if lucky else None,
        )  # fmt: skip
        imitate(
            always_one(), steps=steps, algorithm=small(VecMonitor(counting())), out=tmp_path,
            callbacks=[evaluated], quiet=True,
        )  # fmt: skip
        return evaluated

    go(48, lucky=True)
    assert go(96, lucky=False).best_mean_reward == 1e6


def test_evaluation_with_a_scale_works_and_is_that_of_the_training() -> None:
    scale, held_out = (
        VecNormalize(counting()),
        VecNormalize(VecMonitor(counting(1)), training=False),
    )
    callback = EvalCallback(held_out, eval_freq=8, n_eval_episodes=1, verbose=0)
    imitate(always_one(), steps=96, algorithm=small(scale), callbacks=[callback], quiet=True)
    assert len(callback.evaluations_results) == 0 and callback.last_mean_reward >= 25
    np.testing.assert_array_equal(held_out.obs_rms.mean, scale.obs_rms.mean)  # type: ignore[union-attr]


def test_evaluation_without_a_scale_sees_environments_of_one_type() -> None:
    callback = EvalCallback(VecMonitor(counting(1)), eval_freq=8, n_eval_episodes=1, verbose=0)
    learner = small(VecMonitor(counting()))
    # A warning of another type of the two environments would be an error.
    imitate(always_one(), steps=48, algorithm=learner, callbacks=[callback], quiet=True)
    assert callback.last_mean_reward >= 25


def test_buffers_with_an_unknown_state_are_refused_with_checkpoints(tmp_path: Path) -> None:
    class Own(ReplayBuffer):
        pass

    settings = {**OFF, "replay_buffer_class": Own}
    learner = SAC("MlpPolicy", counting(1, True), device="cpu", **settings)
    with pytest.raises(ValueError, match=r"^replay_buffer_class: expected ReplayBuffer.* got Own"):
        imitate(always_one(True), steps=8, algorithm=learner, out=tmp_path, quiet=True)
    infos = {**OFF, **HER, "replay_buffer_kwargs": {"copy_info_dict": True}}
    learner = SAC("MultiInputPolicy", DummyVecEnv([Reach]), device="cpu", **infos)
    with pytest.raises(ValueError, match=r"^copy_info_dict: expected False with out="):
        imitate(reached(), steps=8, algorithm=learner, out=tmp_path, quiet=True)
