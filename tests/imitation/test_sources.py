"""Demonstrations from a policy, from trajectories and data sets; and an environment that pays a learned reward."""

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


def test_trajectories_and_minari_episodes_mean_the_same() -> None:
    observations, actions, rewards = (
        np.arange(8.0).reshape(4, 2),
        np.array([0, 1, 0]),
        np.array([1.0, 2, 3]),
    )
    one = from_trajectories([Trajectory(observations, actions, rewards, True)] * 2, "X-v0")
    other = from_minari(
        Dataset([Episode(observations, actions, rewards, np.array([False, False, True]))] * 2)
    )
    for demos in (one, other):
        assert (demos.episodes, len(demos), demos.expert_return) == (2, 6, 6.0)
        assert np.array_equal(demos.observations[4:], observations) and demos.terminated.all()
    assert one.env_id == "X-v0" and other.env_id == ""
    with pytest.raises(ValueError, match="expected at least one episode, got none"):
        from_trajectories([])


def rows(*without: str) -> Any:
    """Two rows of a Hugging Face data set, which can be read once, as a stream."""
    one = {
        "obs": [[0.0, 1.0], [2.0, 3.0], [4.0, 5.0], [6.0, 7.0]],
        "acts": [0, 1, 0],
        "rews": [1.0, 2.0, 3.0],
    }
    one |= {"infos": ["{}"] * 3, "terminal": True}
    return ({name: part for name, part in row.items() if name not in without} for row in (one, one))


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
        ValueError, match=r"trajectories: number 0 lacks terminal; it has obs, acts, rews, infos$"
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
            "dataset: 'someone/ppo-CartPole-v1' is a name.*install datasets$",
        ),
        (
            "minari:D4RL/door/human-v2",
            "minari",
            "dataset: 'D4RL/door/human-v2' is an id, and Minari.*not installed$",
        ),
    ],
)
def test_a_data_set_by_name_needs_its_package(
    name: str, package: str, line: str, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(ImportError, match=line):
        load_demonstrations(name)


def test_states_alone_are_saved_and_imitated_by_who_sees_states(tmp_path: Path) -> None:
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
            "critic_inputs: expected 'state' or 'state-next', since the demonstrations have no actions",
        ),
        (
            "airl",
            "state",
            "objective: AIRL weighs what the expert did, and the demonstrations have no actions",
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


def test_an_unknown_form_of_the_reward_is_refused_before_training() -> None:
    with pytest.raises(
        ValueError, match=r"reward: expected a function or one of own, positive, .*, got 'postive'"
    ):
        imitate(always_one(), steps=48, algorithm=small(counting()), reward="postive", quiet=True)  # type: ignore[arg-type]


def test_a_new_policy_learns_from_a_reward_that_was_learnt() -> None:
    learnt = imitate(
        always_one(),
        "airl",
        steps=8 * 16 * 10,
        algorithm=small(counting(8), learning_rate=3e-3),
        quiet=True,
    )
    env = LearnedRewardVecEnv(counting(8), learnt.reward)
    before, actions = env.reset(), np.ones(8, np.int64)
    after, paid, _, infos = env.step(actions)
    expected = learnt.reward(before, actions, after, np.zeros(8))
    np.testing.assert_allclose(paid, expected)
    assert all(info["true_reward"] == 5 for info in infos)
    policy = PPO(
        "MlpPolicy", env, n_steps=16, batch_size=32, learning_rate=3e-3, seed=1, device="cpu"
    )
    assert policy.learn(256).num_timesteps == 256


def test_what_the_experts_of_the_environments_record_is_taken_as_it_is():
    from advlearn_envs.cartpole import CartPole
    from advlearn_envs.experts import record as record_environment

    arrays = record_environment(CartPole(3), lambda x: (x[:, 2] > 0).long(), source="leans")
    demos = from_arrays(arrays)
    assert demos.episodes == 3 and demos.env_id == "advlearn/CartPole-v1"
    assert len(demos) == int(arrays["episode_lengths"].sum())
    with pytest.raises(ValueError, match="demonstrations: arrays lacks terminated"):
        from_arrays({name: part for name, part in arrays.items() if name != "terminated"})
