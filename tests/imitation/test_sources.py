"""Demonstrations from a policy, from trajectories, from Minari; and an environment that pays a learned reward."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO

from advlearn.imitation import (
    Rewarded,
    from_arrays,
    from_minari,
    from_trajectories,
    imitate,
    load_demonstrations,
    record,
    save_demonstrations,
)
from tests.imitation.counting import always_one, counting, small


class Alternating:
    """A policy that takes 1 on even counts, else 0."""

    def predict(self, seen: Any, deterministic: bool = False) -> tuple[Any, None]:
        return (seen[:, 0] % 2 == 0).astype(np.int64), None


def test_a_policy_is_rolled_out_into_whole_episodes() -> None:
    demos = record(Alternating(), counting(2), episodes=3)
    # 0 -> 2 -> 4 -> 6 -> 8 -> 10: even throughout, so it ends after five steps of five points each
    assert demos.lengths.tolist() == [5, 5, 5] and demos.terminated.all()
    assert demos.observations[:6, 0].tolist() == [0, 2, 4, 6, 8, 10]
    assert demos.actions.tolist() == [1] * 15 and demos.expert_return == 25
    with pytest.raises(ValueError, match="episodes: expected at least 1, got 0"):
        record(Alternating(), counting(2), episodes=0)


def test_a_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    demos = record(Alternating(), counting(2), episodes=2)
    again = load_demonstrations(save_demonstrations(demos, tmp_path / "new" / "demos.npz"))
    assert np.array_equal(again.observations, demos.observations) and np.array_equal(again.actions, demos.actions)
    assert again.expert_return == 25 and again.terminated.tolist() == [True, True]


@dataclass
class Trajectory:
    obs: Any
    acts: Any
    rews: Any
    terminal: bool


@dataclass
class Episode:
    observations: Any
    actions: Any
    rewards: Any
    terminations: Any


@dataclass
class Dataset:
    episodes: list[Episode]

    def iterate_episodes(self) -> Any:
        return iter(self.episodes)


def test_trajectories_and_minari_episodes_mean_the_same() -> None:
    observations, actions, rewards = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0]), np.array([1.0, 2, 3])
    one = from_trajectories([Trajectory(observations, actions, rewards, True)] * 2, "X-v0")
    other = from_minari(Dataset([Episode(observations, actions, rewards, np.array([False, False, True]))] * 2))
    for demos in (one, other):
        assert (demos.episodes, len(demos), demos.expert_return) == (2, 6, 6.0)
        assert np.array_equal(demos.observations[4:], observations) and demos.terminated.all()
    assert one.env_id == "X-v0" and other.env_id == ""
    with pytest.raises(ValueError, match="expected at least one episode, got none"):
        from_trajectories([])


def test_a_new_policy_learns_from_a_reward_that_was_learnt() -> None:
    learnt = imitate(
        always_one(), "airl", steps=8 * 16 * 10, algorithm=small(counting(8), learning_rate=3e-3), quiet=True
    )
    env = Rewarded(counting(8), learnt.reward)
    before, actions = env.reset(), np.ones(8, np.int64)
    after, paid, _, infos = env.step(actions)
    expected = learnt.reward(before, actions, after, np.zeros(8))
    np.testing.assert_allclose(paid, expected)
    assert all(info["true_reward"] == 5 for info in infos)
    policy = PPO("MlpPolicy", env, n_steps=16, batch_size=32, learning_rate=3e-3, seed=1, device="cpu")
    assert policy.learn(256).num_timesteps == 256


def test_what_the_experts_of_the_environments_record_is_taken_as_it_is():
    from advlearn_envs.cartpole import CartPole
    from advlearn_envs.experts import record as recorded

    arrays = recorded(CartPole(3), lambda x: (x[:, 2] > 0).long(), source="leans")
    demos = from_arrays(arrays)
    assert demos.episodes == 3 and demos.env_id == "advlearn/CartPole-v1"
    assert len(demos) == int(arrays["episode_lengths"].sum())
    with pytest.raises(ValueError, match="demonstrations: arrays lacks terminated"):
        from_arrays({name: part for name, part in arrays.items() if name != "terminated"})
