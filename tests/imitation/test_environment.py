"""What is said of environments before anything is trained in them."""

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


def test_an_environment_says_its_id() -> None:
    assert id_of(VecNormalize(make_vec_env("Acrobot-v1", n_envs=2))) == "Acrobot-v1"
    assert id_of(environments("Acrobot-v1", 3, 0)) == "Acrobot-v1"
    assert id_of(VecMonitor(StableBaselinesVecEnv(CMaze(2)))) == "advlearn/CMaze-v0"
    player: Any = DevicePPO("MlpPolicy", CMaze(2), n_steps=4, batch_size=8)
    assert id_of(player.get_env()) == "advlearn/CMaze-v0"
    assert id_of(counting()) == ""


def test_versions_are_remarked_on_and_others_refused(capsys: Any) -> None:
    compare("", "Hopper-v5")
    compare("Hopper-v5", "")
    compare("advlearn/CMaze-v0", "advlearn/CMaze-v0")
    assert not capsys.readouterr().err
    compare("Walker2d-v4", "Walker2d-v5")
    assert (
        capsys.readouterr().err == "env: Walker2d-v5, and the demonstrations are of Walker2d-v4\n"
    )
    with pytest.raises(
        ValueError, match=r"^env: expected CMaze-v0 as in the demonstrations, got CMazeMirrored-v0$"
    ):
        compare("CMaze-v0", "CMazeMirrored-v0")


def cartpole(env_id: str) -> Demonstrations:
    seen = np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32)
    return Demonstrations(
        seen, np.arange(10) % 2, np.array([5, 5]), np.array([True, False]), env_id
    )


def test_a_run_knows_the_environment_of_an_algorithm_and_demonstrations_of_another_are_refused() -> (
    None
):
    player = small(make_vec_env("CartPole-v1", n_envs=2, seed=0))
    run = imitate(cartpole(""), steps=32, algorithm=player, reward="logit", quiet=True)
    assert run.env_id == "CartPole-v1" and run.returns(episodes=2).min() > 5
    with pytest.raises(
        ValueError, match=r"^env: expected Walker2d-v4 as in the demonstrations, got CartPole-v1$"
    ):
        imitate(cartpole("Walker2d-v4"), steps=32, algorithm=player, quiet=True)
    unnamed = imitate(
        replace(always_one(), env_id="Acrobot-v1"),
        steps=48,
        algorithm=small(counting()),
        quiet=True,
    )
    with pytest.raises(
        ValueError, match="env: expected an environment, got none, and the run's has no id"
    ):
        unnamed.returns()


class Odd(Counting):
    """A counter that does not see what it says it sees, from a step on."""

    def __init__(self, seen: Any, space: Any, first: bool) -> None:
        super().__init__()
        self.observation_space = space
        self.seen, self.first = seen, first

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self.seen if self.first else self.observation_space.sample(), super().reset(
            seed=seed
        )[1]

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return (self.seen, *super().step(action)[1:])


one, image = Box(0, 20, (1,), np.float32), Box(0, 255, (4, 4, 1), np.uint8)
named = gym.spaces.Dict({"a": one, "b": one})


@pytest.mark.parametrize(
    ("seen", "space", "message"),
    [
        (np.zeros(3), one, r"an observation of shape \(3,\), expected \(1,\), at its first"),
        (
            np.zeros(1),
            Box(0, 1, (3,)),
            r"an observation of shape \(1,\), expected \(3,\), at its first",
        ),
        (np.zeros((4, 4, 1)), image, "an observation of float64, expected uint8, at its first"),
        (np.array([np.nan]), one, "an observation with NaN or infinity, expected one of Box"),
        ({"a": np.zeros(1)}, named, r"\['a'\], expected a dict of \['a', 'b'\], at its first"),
        (
            {"a": np.zeros(1), "b": np.zeros(2)},
            named,
            r".* of shape \(2,\), expected \(1,\), for 'b' at its first",
        ),
        (np.zeros(1), named, r"ndarray, expected a dict of \['a', 'b'\], at its first"),
    ],
)
@pytest.mark.parametrize("first", [False, True])
def test_an_observation_that_does_not_fit_its_space_is_named(
    seen: Any, space: Any, message: str, first: bool
) -> None:
    makers: list[Callable[[], Any]] = [
        lambda: Odd(space.sample(), space, True),
        lambda: Odd(seen, space, first),
    ]
    with pytest.raises(ValueError, match=f"^env: environment 1 returned {message}") as caught:
        check_env(VecMonitor(DummyVecEnv(makers)))
    assert str(caught.value).endswith("first reset" if first else "first step") and "\n" not in str(
        caught.value
    )


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


def test_looking_takes_no_seed_and_counts_no_episode() -> None:
    def first(look: bool) -> Any:
        env = make_vec_env("CartPole-v1", n_envs=2, seed=3)
        if look:
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
        ValueError, match=r"^algorithm: sac and Discrete\(2\) do not go together: "
    ) as caught:
        imitate(always_one(), steps=10, env=counting(1), algorithm="sac", quiet=True)
    assert "\n" not in str(caught.value)
