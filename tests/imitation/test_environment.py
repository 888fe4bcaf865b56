"""Checks of environments before training."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from advlearn_envs import CMaze, StableBaselinesVecEnv
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecMonitor, VecNormalize

from advlearn.imitation import Demonstrations, DevicePPO, imitate
from advlearn.imitation.sb3.algorithms import environments
from advlearn.imitation.sb3.environment_checks import check_env, compare, id_of
from tests.imitation.counting import Counting, always_one, counting, small

Box = gym.spaces.Box


def test_the_id_of_an_environment_is_found() -> None:
    assert id_of(VecNormalize(make_vec_env("Acrobot-v1", n_envs=2))) == "Acrobot-v1"
    assert id_of(environments("Acrobot-v1", 3, 0)) == "Acrobot-v1"
    assert id_of(VecMonitor(StableBaselinesVecEnv(CMaze(2)))) == "advlearn/CMaze-v0"
    learner: Any = DevicePPO("MlpPolicy", CMaze(2), n_steps=4, batch_size=8)
    assert id_of(learner.get_env()) == "advlearn/CMaze-v0"
    assert id_of(counting()) == ""


def test_another_version_prints_a_line_and_another_environment_is_refused(capsys: Any) -> None:
    compare(cartpole(""), "Hopper-v5", {"g": 1})
    compare(cartpole("Hopper-v5"), "", {})
    compare(cartpole("advlearn/CMaze-v0"), "advlearn/CMaze-v0", {})
    assert not capsys.readouterr().err
    compare(cartpole("Walker2d-v4"), "Walker2d-v5", {})
    printed = capsys.readouterr().err
    assert printed == "env: the demonstrations are of Walker2d-v4, got Walker2d-v5\n"
    with pytest.raises(
        ValueError, match=r"^env: expected CMaze-v0 as in the demonstrations, got CMazeMirrored-v0;"
    ):
        compare(cartpole("CMaze-v0"), "CMazeMirrored-v0", {})


def cartpole(env_id: str) -> Demonstrations:
    """Return two random episodes of an environment with the shapes of CartPole."""
    states = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    return Demonstrations(
        states, np.arange(10) % 2, np.array([5, 5]), np.array([True, False]), env_id
    )


def test_a_run_has_the_id_of_its_environment_and_refuses_demonstrations_of_another() -> None:
    learner = small(make_vec_env("CartPole-v1", n_envs=2, seed=0))
    run = imitate(cartpole(""), steps=32, algorithm=learner, reward="logit", quiet=True)
    assert run.env_id == "CartPole-v1" and run.returns(episodes=2).min() > 5
    with pytest.raises(
        ValueError, match=r"^env: expected Walker2d-v4 as in the demonstrations, got CartPole-v1;"
    ):
        imitate(cartpole("Walker2d-v4"), steps=32, algorithm=learner, quiet=True)
    unnamed = imitate(
        replace(always_one(), env_id="Acrobot-v1"),
        steps=48,
        algorithm=small(counting()),
        quiet=True,
    )
    with pytest.raises(
        ValueError, match="env: expected an environment, since the run's has no id, got None"
    ):
        unnamed.returns()


class Odd(Counting):
    """A counter whose observations do not fit its space, from the first reset or step on."""

    def __init__(self, observation: Any, space: Any, first: bool) -> None:
        super().__init__()
        self.observation_space = space
        self.observation, self.first = observation, first

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        _, info = super().reset(seed=seed)
        return self.observation if self.first else self.observation_space.sample(), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return (self.observation, *super().step(action)[1:])


VECTOR, IMAGE = Box(0, 20, (1,), np.float32), Box(0, 255, (4, 4, 1), np.uint8)
PARTS = gym.spaces.Dict({"a": VECTOR, "b": VECTOR})


@pytest.mark.parametrize(
    ("observation", "space", "message"),
    [
        (np.zeros(3), VECTOR, r"expected an observation of shape \(1,\), got \(3,\)"),
        (np.zeros(1), Box(0, 1, (3,)), r"expected an observation of shape \(3,\), got \(1,\)"),
        (np.zeros((4, 4, 1)), IMAGE, "expected an observation of uint8, got float64"),
        (np.array([np.nan]), VECTOR, "expected an observation of Box.*, got one with NaN"),
        ({"a": np.zeros(1)}, PARTS, r"expected a dict of \['a', 'b'\], got \['a'\]"),
        (
            {"a": np.zeros(1), "b": np.zeros(2)},
            PARTS,
            r"expected an observation of shape \(1,\), got \(2,\) for 'b'",
        ),
        (np.zeros(1), PARTS, r"expected a dict of \['a', 'b'\], got ndarray"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_an_observation_that_does_not_fit_its_space_is_named(
    observation: Any, space: Any, message: str, first: bool
) -> None:
    makers: list[Callable[[], Any]] = [
        lambda: Odd(space.sample(), space, True),
        lambda: Odd(observation, space, first),
    ]
    when = "reset" if first else "step"
    with pytest.raises(
        ValueError, match=f"^env: {message}.* from the first {when} of environment 1$"
    ) as caught:
        check_env(VecMonitor(DummyVecEnv(makers)))
    assert "\n" not in str(caught.value)


def test_environments_whose_spaces_differ_are_refused_before_training() -> None:
    env = DummyVecEnv([Counting, lambda: Odd(np.zeros(1), Box(0, 9, (1,)), True)])
    with pytest.raises(
        ValueError, match=r"^env: expected the observation_space Box\(0.0, 20.0, .* got Box.* in 1$"
    ):
        imitate(always_one(), steps=48, algorithm=small(env), quiet=True)
    with pytest.raises(
        ValueError, match=r"^env: expected the action_space Discrete\(2\) of environment 0, got Box"
    ):
        check_env(DummyVecEnv([Counting, lambda: Counting(True)]))


def test_a_check_keeps_the_seed_and_ends_no_episode() -> None:
    def first(check: bool) -> Any:
        env = make_vec_env("CartPole-v1", n_envs=2, seed=3)
        if check:
            check_env(env)
        return env.reset()

    np.testing.assert_array_equal(first(True), first(False))
    whole = DummyVecEnv([lambda: Monitor(Counting(), allow_early_resets=False)])
    check_env(whole)
    whole.reset()


def test_actions_without_bounds_are_refused_and_actions_of_the_wrong_kind() -> None:
    env = counting(1, True)
    env.action_space = Box(-np.inf, np.inf, (1,), np.float32)  # type: ignore[assignment]
    with pytest.raises(
        ValueError, match=r"^env: expected actions with finite bounds, got Box\(-inf, inf"
    ) as caught:
        imitate(always_one(True), steps=10, env=env, quiet=True)
    assert "\n" not in str(caught.value)
    with pytest.raises(
        ValueError, match=r"^algorithm: expected one for actions of Discrete\(2\), got sac: "
    ) as caught:
        imitate(always_one(), steps=10, env=counting(1), algorithm="sac", quiet=True)
    assert "\n" not in str(caught.value)
