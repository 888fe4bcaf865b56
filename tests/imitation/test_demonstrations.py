"""Demonstrations: the rows of each transition, and refused files and arrays."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from gymnasium import spaces

from advlearn.imitation import Demonstrations, load_demonstrations
from advlearn.imitation.demonstrations.validation import validate_demonstrations


def counted(lengths: list[int], terminated: list[bool]) -> Demonstrations:
    """Return episodes: observations of episode k count from 100 k, and action t is t."""
    observations = [100 * k + np.arange(n + 1) for k, n in enumerate(lengths)]
    actions = np.concatenate([np.arange(n) for n in lengths])
    return Demonstrations(
        np.concatenate(observations)[:, None].astype(np.float32),
        actions,
        np.array(lengths),
        np.array(terminated),
    )


def test_every_step_becomes_a_transition() -> None:
    steps = counted([3, 2], [True, False]).transitions()
    assert steps.observations[:, 0].tolist() == [0, 1, 2, 100, 101]
    assert steps.next_observations[:, 0].tolist() == [1, 2, 3, 101, 102]
    assert steps.actions.tolist() == [0, 1, 2, 0, 1]
    assert steps.terminated.tolist() == [False, False, True, False, False]


def test_every_third_step_keeps_its_own_next_observation() -> None:
    starts = set()
    for seed in range(20):
        steps = counted([10, 7], [True, True]).transitions(3, seed=seed)
        first = steps.observations[steps.observations[:, 0] < 100, 0]
        assert (first.diff() == 3).all() and first[0] < 3
        assert (steps.next_observations - steps.observations == 1).all()
        starts.add(int(first[0]))
    assert starts == {0, 1, 2}


def test_the_first_episodes_are_whole() -> None:
    first = counted([3, 2], [True, False]).first(1)
    assert (len(first), first.episodes, len(first.observations)) == (3, 1, 4)
    with pytest.raises(ValueError, match=r"episodes: expected 1 to 2, got 3"):
        counted([3, 2], [True, False]).first(3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lengths": np.array([3, 3])}, "observations: expected 8 rows for 2 episodes, got 7"),
        ({"terminated": np.array([True])}, "terminated: expected 2 values"),
        ({"actions": np.zeros(4)}, "actions: expected 5 rows for 2 episodes, got 4"),
        (
            {"observations": np.full((7, 1), np.nan)},
            "observations: expected finite numbers, got NaN or infinity in 7",
        ),
        (
            {"lengths": np.array([5, 0])},
            "lengths: expected at least 1 step in every episode, got 0",
        ),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(
    change: dict[str, np.ndarray], message: str
) -> None:
    whole = {
        "observations": np.zeros((7, 1)),
        "actions": np.zeros(5),
        "lengths": np.array([3, 2]),
        "terminated": np.array([True, False]),
    }
    with pytest.raises(ValueError, match=message):
        Demonstrations(**{**whole, **change})


def test_demonstrations_without_actions_have_the_same_states() -> None:
    whole = counted([3, 2], [True, False])
    states = Demonstrations(whole.observations, None, whole.lengths, whole.terminated)
    assert (len(states), len(states.first(1)), states.first(1).actions) == (5, 3, None)
    steps, expected = states.transitions(2, seed=1), whole.transitions(2, seed=1)
    assert steps.observations.equal(expected.observations)
    assert steps.next_observations.equal(expected.next_observations)
    assert steps.actions.shape == (steps.size, 0)
    assert not steps.has_actions and expected.has_actions
    box = spaces.Box(0, 200, (1,))
    assert validate_demonstrations(states, box, spaces.Discrete(2)).actions is None
    with pytest.raises(TypeError, match="env: expected Discrete or Box actions"):
        validate_demonstrations(states, box, spaces.MultiBinary(2))


def test_one_transition_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 transitions, got 1"):
        Demonstrations(np.zeros((2, 1)), np.zeros(1), np.array([1]), np.array([True]))


def saved(path: Path, **arrays: np.ndarray) -> Path:
    plain = {
        "observations": np.zeros((4, 2), np.float32),
        "actions": np.zeros(3, np.int64),
        "episode_lengths": np.array([3]),
        "terminated": np.array([1]),
    }
    np.savez(path, **{**plain, **arrays})
    return path


def test_a_file_is_read_back(tmp_path: Path) -> None:
    demos = load_demonstrations(
        saved(tmp_path / "a.npz", env_id=np.array("X-v0"), expert_return_mean=np.array(7.5))
    )
    assert (demos.env_id, demos.expert_return, len(demos)) == ("X-v0", 7.5, 3)
    assert np.isnan(load_demonstrations(saved(tmp_path / "b.npz")).expert_return)


def test_a_file_that_is_truncated_or_pickled_or_lacks_an_array_is_named(tmp_path: Path) -> None:
    whole = saved(tmp_path / "a.npz")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(whole.read_bytes()[:-200])
    with pytest.raises(ValueError, match=r"cut.npz, which is refused: it is cut off"):
        load_demonstrations(cut)
    with pytest.raises(ValueError, match="expected an npz file of plain arrays"):
        load_demonstrations(saved(tmp_path / "p.npz", actions=np.array([{}, {}, {}], dtype=object)))
    np.savez(tmp_path / "few.npz", observations=np.zeros((4, 2)))
    with pytest.raises(ValueError, match=r"few.npz; add episode_lengths, terminated$"):
        load_demonstrations(tmp_path / "few.npz")
    with pytest.raises(FileNotFoundError, match=r"none.npz, which does not exist"):
        load_demonstrations(tmp_path / "none.npz")


BOX = spaces.Box(-1, 1, (2,))


@pytest.mark.parametrize(
    ("observation_space", "action_space", "message"),
    [
        (
            spaces.Box(-1, 1, (3,)),
            spaces.Discrete(2),
            r"expected observations of shape \(3,\), got \(2,\)",
        ),
        (BOX, spaces.Discrete(1), r"expected actions within Discrete\(1\), got 0 to 1; renumber"),
        (BOX, spaces.Box(-1, 1, (1,)), r"expected actions of shape \(1,\), got \(\)"),
        (BOX, spaces.Box(-np.inf, np.inf, (1,)), "env: expected actions with finite bounds"),
        (
            spaces.Dict({"x": BOX}),
            spaces.Discrete(2),
            r"expected a dict of observations \['x'\], got one array \(4, 2\)",
        ),
        (
            spaces.Dict({"x": spaces.Discrete(2)}),
            spaces.Discrete(2),
            "env: expected observations in a Box.*at 'x'",
        ),
        (
            spaces.Box(0, 255, (3, 8, 8), np.uint8),
            spaces.Discrete(2),
            r"expected observations of shape \(3, 8, 8\)",
        ),
        (BOX, spaces.MultiBinary(2), "env: expected Discrete or Box actions"),
    ],
)
def test_demonstrations_of_another_environment_are_refused(
    observation_space: spaces.Space, action_space: spaces.Space, message: str
) -> None:
    demos = Demonstrations(
        np.zeros((4, 2)), np.array([0, 1, 0]), np.array([3]), np.array([True]), "Other-v0"
    )
    with pytest.raises((ValueError, TypeError), match=message):
        validate_demonstrations(demos, observation_space, action_space)
