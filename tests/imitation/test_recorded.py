"""The wrappers around an algorithm's environments and buffer, during imitation and afterwards."""

import copy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs import CartPole
from stable_baselines3 import DQN
from stable_baselines3.common.buffers import ReplayBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import VecFrameStack, VecMonitor, VecNormalize

from advlearn.imitation import Demonstrations, DevicePPO, imitate
from advlearn.imitation.sb3.off_policy import RelabelingReplayBuffer
from advlearn.imitation.sb3.recorder import record_environment
from tests.imitation.counting import always_one, counting, small


class During(BaseCallback):
    """Keep the environment, the buffer and the rewards of an algorithm while it trains."""

    def __init__(self, stop: bool = False) -> None:
        super().__init__()
        self.stop = stop
        self.rewards: list[float] = []

    def _on_step(self) -> bool:
        if self.stop:
            raise OSError("interrupted")
        self.env: Any = self.model.env
        self.rewards.extend(self.locals["rewards"])
        self.buffer = getattr(self.model, "replay_buffer", None)
        return True


@pytest.mark.parametrize("monitored", [False, True])
def test_normalised_observations_are_recorded_raw_with_any_outer_wrapper(monitored: bool) -> None:
    inner = counting()
    scale = VecNormalize(inner)
    during = During()
    learner = small(VecMonitor(scale) if monitored else scale)
    before = learner.env
    with record_environment(learner) as recording:
        assert scale.venv is inner and learner.env is before
        learner.learn(48, callback=during)
        steps = recording.take()
    assert {*steps.observations[:, 0].tolist()} <= {*map(float, range(11))}
    assert set(during.rewards) == {0.0}
    # Each step pays 5, and an episode of the counter lasts 5 or 6 steps.
    returns = {float(episode["r"]) for episode in learner.ep_info_buffer or ()}
    assert returns and returns <= {25.0, 30.0}
    assert not {"reset", "step_async", "step_wait"} & {*vars(inner), *vars(before), *vars(scale)}


def test_a_wrapper_that_reshapes_observations_outside_of_a_scale_is_refused() -> None:
    learner = small(VecFrameStack(VecNormalize(counting()), 2))
    wide = always_one().observations.repeat(2, 1)
    demos = Demonstrations(wide, always_one().actions, np.array([5, 5]), np.array([True, True]))
    with pytest.raises(
        TypeError, match=r"^env: expected VecNormalize outside .*, got VecFrameStack, VecNormalize"
    ):
        imitate(demos, steps=48, algorithm=learner, quiet=True)


@pytest.mark.parametrize("stop", [False, True])
def test_after_a_run_the_algorithm_gets_the_true_reward_again(stop: bool) -> None:
    scale = VecNormalize(counting())
    for env in (counting(), scale):
        learner = small(env)
        before = learner.env
        for _ in range(2):
            during = During(stop)
            try:
                imitate(always_one(), steps=48, algorithm=learner, callbacks=[during], quiet=True)
            except OSError:
                assert stop
            assert learner.env is before and "step_wait" not in vars(before)
            if not stop:
                assert during.env is before
            # The zero rewards of imitation do not enter the statistics.
            assert scale.ret_rms.count < 1 and (scale.returns == 0).all()
        after = During()
        learner.learn(48, callback=after)
        assert set(after.rewards) == {5.0} if env is not scale else min(after.rewards) > 0
    assert scale.norm_reward


def test_after_a_run_an_algorithm_on_the_device_gets_the_true_reward_again() -> None:
    learner = DevicePPO("MlpPolicy", CartPole(4), n_steps=16, batch_size=64, n_epochs=1, seed=0)
    rng = np.random.default_rng(0)
    states = rng.normal(size=(12, 4)).astype(np.float32)
    actions = rng.integers(0, 2, 10)
    demos = Demonstrations(states, actions, np.array([5, 5]), np.array([True, False]))
    for _ in range(2):
        imitate(demos, steps=64, algorithm=learner, reward="logit", quiet=True)
        assert learner.batch is learner._counted
    after = During()
    learner.learn(64, callback=after)
    assert {float(reward) for reward in after.rewards} == {1.0}


class Uneven(gym.RewardWrapper[Any, Any]):
    """Make the rewards of the counter differ from each other."""

    def reward(self, reward: Any) -> Any:
        return reward + self.unwrapped.count  # type: ignore[attr-defined]


def test_after_a_run_the_replay_buffer_is_an_ordinary_one_with_true_rewards(tmp_path: Any) -> None:
    env = counting(1)
    env.envs = [Uneven(env.envs[0])]
    learner: Any = DQN("MlpPolicy", env, learning_starts=10, batch_size=8, seed=0, device="cpu")
    buffer, during = learner.replay_buffer, During()
    imitate(
        always_one(),
        steps=40,
        algorithm=learner,
        critic_steps=5,
        batch_size=8,
        callbacks=[during],
        quiet=True,
    )
    assert (
        isinstance(during.buffer, RelabelingReplayBuffer)
        and learner.replay_buffer is buffer
        and buffer.size() == 40
    )
    np.testing.assert_array_equal(buffer.rewards[:40, 0], 5 + buffer.next_observations[:40, 0, 0])
    assert set(during.rewards) == {0.0}
    # A callback may save the wrapped buffer during the run.
    learner.replay_buffer = during.buffer
    learner.save_replay_buffer(tmp_path / "buffer.pkl")
    learner.load_replay_buffer(tmp_path / "buffer.pkl")
    assert type(learner.replay_buffer) is ReplayBuffer and learner.replay_buffer.size() == 40
    assert isinstance(copy.deepcopy(during.buffer), ReplayBuffer)
    with pytest.raises(
        AttributeError, match="'RelabelingReplayBuffer' object has no attribute 'buffer'"
    ):
        _ = object.__new__(RelabelingReplayBuffer).size


def test_returns_over_several_steps_are_refused() -> None:
    learner = DQN("MlpPolicy", counting(1), n_steps=3, device="cpu")
    before = learner.env
    with pytest.raises(
        ValueError,
        match=r"^n_steps: expected 1, since rewards are learned for single steps, got 3$",
    ):
        imitate(always_one(), steps=10, algorithm=learner, quiet=True)
    assert learner.env is before
