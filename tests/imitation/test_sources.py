"""Demonstrations from policies, trajectories and data sets; environments with a learned reward."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import PPO

from advlearn.imitation import (
    LearnedRewardVecEnv,
    clone_behaviour,
    from_arrays,
    from_huggingface,
    from_minari,
    from_trajectories,
    imitate,
    load_demonstrations,
    load_reward,
    record,
    save_demonstrations,
)
from tests.imitation.counting import always_one, counting, small


class Alternating:
    """A policy that takes 1 on even counts, else 0."""

    def predict(self, observations: Any, deterministic: bool = False) -> tuple[Any, None]:
        return (observations[:, 0] % 2 == 0).astype(np.int64), None


def test_a_policy_is_rolled_out_into_whole_episodes() -> None:
    demos = record(Alternating(), counting(2), episodes=3)
    # 0, 2, 4, 6, 8, 10: all even, so an episode ends after five steps with reward 5 each.
    assert demos.lengths.tolist() == [5, 5, 5] and demos.terminated.all()
    assert demos.observations[:6, 0].tolist() == [0, 2, 4, 6, 8, 10]
    assert demos.actions.tolist() == [1] * 15 and demos.expert_return == 25
    with pytest.raises(ValueError, match="episodes: expected a whole number of at least 1, got 0"):
        record(Alternating(), counting(2), episodes=0)


def test_saved_demonstrations_load_unchanged(tmp_path: Path) -> None:
    demos = record(Alternating(), counting(2), episodes=2)
    again = load_demonstrations(save_demonstrations(demos, tmp_path / "new" / "demos.npz"))
    assert np.array_equal(again.observations, demos.observations) and np.array_equal(
        again.actions, demos.actions
    )
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


def test_trajectories_and_minari_episodes_give_the_same_demonstrations() -> None:
    observations, actions, rewards = (
        np.arange(8.0).reshape(4, 2),
        np.array([0, 1, 0]),
        np.array([1.0, 2, 3]),
    )
    trajectories = from_trajectories([Trajectory(observations, actions, rewards, True)] * 2, "X-v0")
    episodes = from_minari(
        Dataset([Episode(observations, actions, rewards, np.array([False, False, True]))] * 2)
    )
    for demos in (trajectories, episodes):
        assert (demos.episodes, len(demos), demos.expert_return) == (2, 6, 6.0)
        assert np.array_equal(demos.observations[4:], observations) and demos.terminated.all()
    assert trajectories.env_id == "X-v0" and episodes.env_id == ""
    with pytest.raises(ValueError, match="expected at least one episode, got none"):
        from_trajectories([])


def rows(*without: str) -> Any:
    """Yield two rows of a Hugging Face data set, without some of its columns."""
    row = {
        "obs": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]],
        "acts": [0, 1, 0],
        "rews": [1.0, 2.0, 3.0],
    }
    row |= {"infos": ["{}"] * 3, "terminal": True}
    return ({name: row[name] for name in row if name not in without} for _ in range(2))


def test_rows_of_a_data_set_are_trajectories() -> None:
    demos = from_huggingface(rows(), "X-v0")
    assert (demos.episodes, len(demos), demos.expert_return, demos.env_id) == (2, 6, 6.0, "X-v0")
    assert (
        np.array_equal(demos.observations[4:], np.arange(8.0).reshape(4, 2))
        and demos.terminated.all()
    )
    assert (
        demos.actions is not None
        and demos.actions.dtype.kind == "i"
        and demos.actions.tolist() == [0, 1, 0] * 2
    )
    states = from_huggingface(rows("acts", "rews"))
    assert (
        states.actions is None
        and states.lengths.tolist() == [3, 3]
        and np.isnan(states.expert_return)
    )
    with pytest.raises(
        ValueError,
        match=r"trajectories: expected .*, got obs, acts, rews, infos in number 0; add terminal$",
    ):
        from_huggingface(rows("terminal"))
    with pytest.raises(
        ValueError, match="actions: expected in every episode or in none, got them in 2 of 4"
    ):
        from_trajectories([*rows(), *rows("acts")])


@pytest.mark.parametrize(
    ("name", "package", "line"),
    [
        (
            "hf:someone/ppo-CartPole-v1",
            "datasets",
            "dataset: 'someone/ppo-CartPole-v1' is loaded by .* not installed: .*install datasets$",
        ),
        (
            "minari:D4RL/door/human-v2",
            "minari",
            "dataset: 'D4RL/door/human-v2' is loaded by .* not installed: .*install minari$",
        ),
    ],
)
def test_a_data_set_by_name_needs_its_package(
    name: str, package: str, line: str, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(ImportError, match=line):
        load_demonstrations(name)


def test_demonstrations_without_actions_are_saved_and_imitated_by_states(tmp_path: Path) -> None:
    states = replace(always_one(), actions=None)
    again = load_demonstrations(save_demonstrations(states, tmp_path / "states.npz"))
    assert again.actions is None and np.array_equal(again.observations, states.observations)
    run = imitate(
        again, steps=96, algorithm=small(counting()), critic_inputs="state-next", quiet=True
    )
    assert np.isfinite([row["critic_loss"] for row in run.history]).all()
    run.save(tmp_path)
    assert np.isfinite(
        load_reward(tmp_path)(*(np.zeros((2, 1)), np.zeros(2, int), np.zeros((2, 1)), np.zeros(2)))
    ).all()
    for objective, inputs, message in (
        (
            "gail",
            "state-action",
            "critic_inputs: expected 'state' or 'state-next', since the demonstrations have no ",
        ),
        (
            "airl",
            "state",
            "demonstrations: expected some with actions, which AIRL needs, got observations only",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            imitate(
                states,
                objective,
                steps=48,
                algorithm=small(counting()),
                critic_inputs=inputs,
                quiet=True,
            )  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="demonstrations: expected some with actions to clone"):
        clone_behaviour(small(counting()), states.transitions())


def test_an_unknown_shape_of_the_reward_is_refused_before_training() -> None:
    with pytest.raises(
        ValueError, match=r"reward: expected one of own, positive, .*, got 'postive'"
    ):
        imitate(always_one(), steps=48, algorithm=small(counting()), reward="postive", quiet=True)  # type: ignore[arg-type]


def test_a_new_policy_trains_on_a_learned_reward() -> None:
    run = imitate(
        always_one(),
        "airl",
        steps=8 * 16 * 10,
        algorithm=small(counting(8), learning_rate=3e-3),
        quiet=True,
    )
    env = LearnedRewardVecEnv(counting(8), run.reward)
    before, actions = env.reset(), np.ones(8, np.int64)
    after, rewards, _, infos = env.step(actions)
    expected = run.reward(before, actions, after, np.zeros(8))
    np.testing.assert_allclose(rewards, expected)
    assert all(info["true_reward"] == 5 for info in infos)
    policy = PPO(
        "MlpPolicy", env, n_steps=16, batch_size=32, learning_rate=3e-3, seed=1, device="cpu"
    )
    assert policy.learn(256).num_timesteps == 256


def test_arrays_of_the_environments_recorder_are_demonstrations() -> None:
    from advlearn_envs.cartpole import CartPole
    from advlearn_envs.experts import record as record_batch

    arrays = record_batch(CartPole(3), lambda x: (x[:, 2] > 0).long(), source="rule")
    demos = from_arrays(arrays)
    assert demos.episodes == 3 and demos.env_id == "advlearn/CartPole-v1"
    assert len(demos) == int(arrays["episode_lengths"].sum())
    with pytest.raises(ValueError, match=r"demonstrations: expected .* in arrays; add terminated$"):
        from_arrays({name: part for name, part in arrays.items() if name != "terminated"})
