"""What the critic reads: features of a function of the user, and windows of observations."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from stable_baselines3 import SAC

from advlearn.imitation import (
    Encoder,
    LearnedRewardVecEnv,
    Transitions,
    imitate,
    load_reward,
    record,
)
from advlearn.imitation.sb3.recording import RecordingVecEnv
from tests.imitation.counting import always_one, counting, small


def speeds(steps: Transitions) -> torch.Tensor:
    """Return the change of the count."""
    return steps.next_observations - steps.observations


def test_features_are_standardised_clipped_and_flagged() -> None:
    steps = Transitions.of(
        torch.tensor([[0.0], [1.0], [3.0]]), torch.zeros(3, 1), torch.tensor([[1.0], [3.0], [6.0]]),
        torch.zeros(3),
    )  # fmt: skip
    encoder = Encoder(steps, critic_inputs=speeds)
    # Changes of 1, 2 and 3 have a mean of 2 and a deviation of 1.
    assert encoder(steps).tolist() == [[-1, 0], [0, 0], [1, 0]] and encoder.width == 2
    far = Transitions.of([[0.0]], torch.zeros(1, 1), [[1e6]], [True])
    assert encoder(far).tolist() == [[10, 0]]
    assert encoder.absorbing(2).tolist() == [[0, 10]] * 2 and encoder.images == ()


@pytest.mark.parametrize("method", ["gail", "airl", "gmmil"])
def test_the_reward_depends_on_the_features_only(method: str, tmp_path: Path) -> None:
    run = imitate(
        always_one(), method, steps=96, algorithm=small(counting()), critic_inputs=speeds,
        absorbing=False, quiet=True,
    )  # fmt: skip
    before = np.array([[0.0], [4.0], [4.0]], np.float32)
    after = np.array([[2.0], [6.0], [5.0]], np.float32)
    rewards = run.reward(before, np.ones(3, int), after, np.zeros(3, bool))
    assert rewards[0] == pytest.approx(rewards[1]) and rewards[2] != pytest.approx(rewards[1])
    run.save(tmp_path)
    with pytest.raises(ValueError, match=r"^critic_inputs: expected the function .* got None"):
        load_reward(tmp_path)
    loaded = load_reward(tmp_path, critic_inputs=speeds)
    again = loaded(before, np.ones(3, int), after, np.zeros(3, bool))
    np.testing.assert_allclose(again, rewards, rtol=1e-6)


@pytest.mark.parametrize(
    ("function", "got"),
    [
        (lambda steps: steps.observations[:3], r"Tensor float32 \(3, 1\)"),
        (lambda steps: steps.observations[:, 0], r"Tensor float32 \(10,\)"),
        (lambda steps: steps.observations.long(), "int64"),
        (lambda steps: steps.observations.numpy(), "ndarray"),
    ],
)
def test_other_features_are_refused_before_any_step(function: Any, got: str) -> None:
    learner = small(counting())
    with pytest.raises(TypeError, match=rf"^critic_inputs: .*\(10, k\) for 10 .* returns .*{got}"):
        imitate(always_one(), steps=96, algorithm=learner, critic_inputs=function, quiet=True)
    assert learner.num_timesteps == 0


def test_a_resumed_run_has_the_same_function(tmp_path: Path) -> None:
    def go(function: Any, steps: int) -> Any:
        return imitate(
            always_one(), steps=steps, algorithm=small(counting()), critic_inputs=function,
            out=tmp_path, quiet=True,
        )  # fmt: skip

    go(speeds, 48)
    with pytest.raises(ValueError, match="critic_inputs"):
        go(lambda steps: steps.observations, 96)
    with pytest.raises(ValueError, match="critic_inputs"):
        go("state", 96)
    assert go(speeds, 96).policy.num_timesteps == 96


class Twos:
    """A policy that always counts by two."""

    def predict(self, observations: Any, deterministic: bool = True) -> Any:
        return np.ones(len(observations), int), None


def test_windows_of_demonstrations_begin_with_copies_of_the_first_observation() -> None:
    steps = always_one().transitions(window=3)
    assert steps.observations[:4].tolist() == [[0, 0, 0], [0, 0, 2], [0, 2, 4], [2, 4, 6]]
    assert steps.next_observations[3:6].tolist() == [[4, 6, 8], [6, 8, 10], [0, 0, 2]]
    assert torch.equal(steps.observations[5:], steps.observations[:5])
    # Every second transition has the same windows, in which no observation is left out.
    some = always_one().transitions(2, window=3)
    assert {tuple(row) for row in some.observations.tolist()} <= {
        tuple(row) for row in steps.observations.tolist()
    }


def test_recorded_windows_are_those_of_demonstrations() -> None:
    demos = record(Twos(), counting(1), 2)
    recording = RecordingVecEnv(counting(1), window=3)
    recording.reset()
    for _ in range(10):
        recording.step(np.ones(1, int))
    recorded, expected = recording.take(), demos.transitions(window=3)
    for part, other in zip(recorded, expected, strict=True):
        assert torch.equal(part, other)


@pytest.mark.parametrize("method", ["gail", "airl", "otil"])
def test_a_reward_of_windows_trains_resumes_and_pays(method: str, tmp_path: Path) -> None:
    def go(steps: int, window: int = 2) -> Any:
        return imitate(
            always_one(), method, steps=steps, algorithm=small(counting()), critic_window=window,
            critic_inputs="state", bc_steps=2, out=tmp_path, quiet=True,
        )  # fmt: skip

    run = go(96)
    assert run.reward.encoder.mean.shape == (2,) and run.reward.window == 2
    with pytest.raises(ValueError, match="critic_window"):
        go(144, window=3)
    run = go(144)
    run.save(tmp_path)
    loaded = load_reward(tmp_path)
    venv = LearnedRewardVecEnv(counting(1), loaded)
    venv.reset()
    paid = [float(venv.step(np.ones(1, int))[1][0]) for _ in range(2)]
    windows = np.array([[0, 0], [0, 2]], np.float32), np.array([[0, 2], [2, 4]], np.float32)
    own = loaded(windows[0], np.ones(2, int), windows[1], np.zeros(2, bool))
    np.testing.assert_allclose(paid, own, rtol=1e-5)


def test_windows_are_refused_where_memories_hold_single_steps() -> None:
    learner = SAC("MlpPolicy", counting(1, True), device="cpu")
    with pytest.raises(ValueError, match=r"^critic_window: expected 1 with SAC, .* got 3; use PPO"):
        imitate(always_one(True), steps=16, algorithm=learner, critic_window=3, quiet=True)
