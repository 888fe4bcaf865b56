"""Environments of a run: scales, memory, masks, frame stacks, arguments, limits and wrappers."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

import sb3_contrib
from advlearn_envs.catalogue import available
from gymnasium.wrappers import TimeAwareObservation
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import (
    DummyVecEnv,
    VecEnvWrapper,
    VecFrameStack,
    VecMonitor,
    VecNormalize,
)

from advlearn.imitation import (
    Demonstrations,
    from_minari,
    imitate,
    load_demonstrations,
    record,
    save_demonstrations,
)
from advlearn.imitation.sb3.algorithms import environments
from advlearn.imitation.sb3.environment_checks import check_env
from advlearn.imitation.sb3.making import EnvironmentRecipe
from tests.imitation.counting import Counting, always_one, counting, small


class Memory(gym.Env[Any, Any]):
    """Pay 1 for the action that the first observation names; later observations are zero."""

    def __init__(self) -> None:
        self.observation_space = gym.spaces.Box(-1, 1, (1,), np.float32)
        self.action_space = gym.spaces.Discrete(2)
        self.cue, self.steps = 0, 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.cue, self.steps = 1 - self.cue, 0
        return np.array([2 * self.cue - 1], np.float32), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return np.zeros(1, np.float32), float(action == self.cue), False, self.steps >= 4, {}


class Remembering:
    """Repeat the first cue of an episode, which only the state holds."""

    def predict(
        self,
        observations: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: Any = 0,
    ) -> Any:
        cues = (observations[:, 0] > 0).astype(int)
        state = cues if state is None else np.where(episode_start, cues, state)
        return state, state


class Masked(Counting):
    """Forbid action 1 at odd counts."""

    def action_masks(self) -> Any:
        return np.array([True, self.count % 2 == 0])

    def step(self, action: Any) -> Any:
        assert self.action_masks()[int(action)], "a masked action was taken"
        return super().step(action)


class OneAllowed(Counting):
    """Allow a single action."""

    def __init__(self, allowed: int) -> None:
        super().__init__()
        self.allowed = allowed

    def action_masks(self) -> Any:
        return np.arange(2) == self.allowed

    def step(self, action: Any) -> Any:
        assert action == self.allowed, "a masked action was taken"
        return super().step(action)


class AllAllowed(Counting):
    """Allow every action."""

    def action_masks(self) -> Any:
        return np.array([True, True])


class Greedy:
    """Take the largest action, or the largest allowed one."""

    def predict(
        self, observations: Any, deterministic: bool = True, action_masks: Any = None
    ) -> Any:
        return np.array([np.flatnonzero(mask).max() for mask in action_masks]), None


class Actions:
    """Always take one action, and keep the observations that are seen."""

    def __init__(self, action: Any) -> None:
        self.action = action
        self.seen: list[Any] = []

    def predict(self, observations: Any, deterministic: bool = True) -> Any:
        self.seen.append(observations.copy())
        return np.array([self.action] * len(observations)), None


@pytest.fixture
def pendulum() -> Any:
    return lambda n=1, **settings: make_vec_env("Pendulum-v1", n, seed=0, env_kwargs=settings)


def test_observations_and_rewards_are_recorded_below_a_scale() -> None:
    scale = VecNormalize(counting(2))
    scale.obs_rms.mean, scale.obs_rms.var = np.array([3.0]), np.array([100.0])  # type: ignore[union-attr]
    policy = Actions(1)
    demos = record(policy, VecMonitor(scale), 2)
    np.testing.assert_array_equal(demos.observations, always_one().observations)
    assert demos.expert_return == 25
    # The policy saw the scaled observations, and the scale did not change.
    assert np.allclose(policy.seen[1], (2 - 3) / 10) and scale.obs_rms.mean == 3  # type: ignore[union-attr]
    assert scale.training and "step_wait" not in vars(scale.venv)


def test_a_policy_with_a_scale_sees_it_in_a_new_environment(pendulum: Any) -> None:
    scale = VecNormalize(pendulum(2))
    learner = PPO("MlpPolicy", scale, n_steps=64, batch_size=64, seed=0, device="cpu")
    learner.learn(256)
    scale.training = False
    scaled, raw = record(learner, scale, 1), record(learner, "Pendulum-v1", 1, deterministic=True)
    assert np.abs(scaled.observations[:, 2]).max() > 2.5
    # Its actions are those of the scaled observations.
    actions, _ = learner.predict(scale.normalize_obs(raw.observations[:-1]), deterministic=True)
    np.testing.assert_allclose(raw.actions, actions, atol=1e-5)
    assert raw.env_id == scaled.env_id == "Pendulum-v1"


def test_a_policy_with_a_memory_is_recorded_and_measured_with_it() -> None:
    venv = DummyVecEnv([Memory])
    assert record(Remembering(), venv, 4).expert_return == 4
    run = imitate(always_one(), steps=48, algorithm=small(counting()), quiet=True)
    run.policy.predict = Remembering().predict  # type: ignore[method-assign,assignment]
    assert run.returns(venv, 4).tolist() == [4.0] * 4


def test_masks_of_actions_reach_the_policy_in_records_and_returns() -> None:
    venv = DummyVecEnv([Masked])
    demos = record(Greedy(), venv, 2)
    assert demos.actions is not None and (demos.actions == 1).all()
    learner = sb3_contrib.MaskablePPO(
        "MlpPolicy", DummyVecEnv([Masked]), n_steps=16, batch_size=16, n_epochs=1, device="cpu"
    )
    run = imitate(demos, steps=32, algorithm=learner, quiet=True)
    assert len(run.returns(venv, 3, deterministic=False)) == 3


def test_the_first_check_of_an_environment_takes_an_allowed_action() -> None:
    venv = DummyVecEnv([lambda allowed=allowed: OneAllowed(allowed) for allowed in (0, 1, 1, 0)])
    check_env(venv)
    assert [env.steps for env in venv.envs] == [1] * 4  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["MaskablePPO", "RecurrentPPO"])
@pytest.mark.parametrize(("method", "steps"), [("airl", 0), ("gail", 9)])
def test_log_probabilities_that_need_more_than_observations_are_refused(
    kind: str, method: str, steps: int
) -> None:
    policy = "MlpLstmPolicy" if kind == "RecurrentPPO" else "MlpPolicy"
    learner = getattr(sb3_contrib, kind)(policy, counting(), n_steps=16, batch_size=16)
    name = "bc_steps" if steps else "algorithm"
    with pytest.raises(TypeError, match=f"^{name}: expected a policy whose log-.*got {kind}"):
        imitate(always_one(), method, steps=16, algorithm=learner, bc_steps=steps, quiet=True)
    assert learner.num_timesteps == 0


def test_a_run_is_measured_in_the_environment_that_it_trained_in() -> None:
    venv = make_vec_env(
        "Pendulum-v1", 2, seed=0, env_kwargs={"g": 0.0, "max_episode_steps": 20},
        wrapper_class=TimeAwareObservation,
    )  # fmt: skip
    stacked = VecFrameStack(venv, 2)
    demos = record(Actions(np.zeros(1, np.float32)), stacked, 2)
    assert demos.env_settings == {"g": 0.0, "max_episode_steps": 20}
    learner = PPO("MlpPolicy", VecNormalize(stacked), n_steps=32, batch_size=64, device="cpu")
    run = imitate(demos, steps=64, algorithm=learner, quiet=True)
    built = run.recipe.build(seed=3)
    env: Any = built.unwrapped.envs[0]  # type: ignore[attr-defined]
    assert env.unwrapped.g == 0 and built.observation_space.shape == (8,)
    # At rest without gravity, an episode of 20 steps costs as much as its first angles.
    assert (run.returns(episodes=2) > -20 * 12).all()


def test_a_wrapper_that_cannot_be_built_again_is_refused_in_one_line() -> None:
    class Odd(VecEnvWrapper):
        def reset(self) -> Any:
            return self.venv.reset()

        def step_wait(self) -> Any:
            return self.venv.step_wait()

    learner = small(Odd(make_vec_env("CartPole-v1", 1)))
    demos = record(Actions(1), "CartPole-v1", 2)
    run = imitate(demos, steps=16, algorithm=learner, quiet=True)
    with pytest.raises(ValueError, match=r"^env: expected wrappers of .*, got Odd; pass env="):
        run.returns()


def test_the_settings_of_an_environment_are_saved_and_used(
    pendulum: Any, tmp_path: Path, capsys: Any
) -> None:
    demos = record(Actions(np.zeros(1, np.float32)), pendulum(g=2.5), 1)
    loaded = load_demonstrations(save_demonstrations(demos, tmp_path / "demos.npz"))
    assert loaded.env_settings == demos.env_settings == {"g": 2.5}
    run = imitate(loaded, steps=16, algorithm="a2c", quiet=True)
    assert run.policy.get_env().get_attr("unwrapped")[0].g == 2.5  # type: ignore[union-attr]
    assert "the demonstrations are of" not in capsys.readouterr().err
    imitate(loaded, steps=16, algorithm="a2c", env="Pendulum-v1", quiet=True)
    assert "are of Pendulum-v1 with {'g': 2.5}, got its own settings" in capsys.readouterr().err


def test_the_environment_of_a_minari_data_set_is_used(pendulum: Any) -> None:
    demos = record(Actions(np.zeros(1, np.float32)), pendulum(g=0.0), 1)

    class Episode:
        observations, actions, rewards = demos.observations, demos.actions, np.zeros(200)
        terminations = np.zeros(200, bool)

    class Dataset:
        env_spec = pendulum(g=0.0, max_episode_steps=77).get_attr("spec")[0]

        def iterate_episodes(self) -> Any:
            return iter([Episode])

    Dataset.env_spec.additional_wrappers = ()
    found = from_minari(Dataset())
    assert (found.env_id, found.env_settings) == (
        "Pendulum-v1",
        {"g": 0.0, "max_episode_steps": 77},
    )
    Dataset.env_spec = make_vec_env("Pendulum-v1", 1, wrapper_class=TimeAwareObservation).get_attr(
        "spec"
    )[0]
    assert from_minari(Dataset()).env_id == ""


@pytest.mark.parametrize("kind", ["PPO", "A2C", "TRPO", "RecurrentPPO", "MaskablePPO"])
def test_last_values_of_a_rollout_are_those_of_the_algorithm(kind: str) -> None:
    classes = {"PPO": PPO, "A2C": A2C}
    settings = {} if kind == "A2C" else {"batch_size": 8}
    policy = "MlpLstmPolicy" if kind == "RecurrentPPO" else "MlpPolicy"
    learner: Any = (classes.get(kind) or getattr(sb3_contrib, kind))(
        policy, DummyVecEnv([AllAllowed] * 2), n_steps=4, seed=0, device="cpu", **settings
    )
    seen: list[Any] = []
    buffer = type(learner.rollout_buffer)
    compute = buffer.compute_returns_and_advantage

    def spy(self: Any, last_values: torch.Tensor, dones: Any) -> None:
        seen.append((last_values.flatten().tolist(), dones.tolist()))
        compute(self, last_values=last_values, dones=dones)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(buffer, "compute_returns_and_advantage", spy)
        imitate(always_one(), steps=24, algorithm=learner, quiet=True)
    assert len(seen) == 6 and seen[::2] == seen[1::2]
    assert "compute_returns_and_advantage" not in vars(learner.rollout_buffer)


# gymnasium warns of the older versions.
SHARED = sorted(name for name in {*available()} & {*gym.registry} if not name.endswith("v4"))


@pytest.mark.parametrize("name", SHARED)
def test_batches_have_the_spaces_of_gymnasium(name: str) -> None:
    made, batch = gym.make(name), environments(name, 2, 0)
    assert batch.observation_space == made.observation_space
    assert batch.action_space == made.action_space


def test_an_unmonitored_environment_has_true_returns_in_the_history() -> None:
    run = imitate(always_one(), steps=96, algorithm=small(counting()), quiet=True)
    assert 25 <= run.history[-1]["return"] <= 30


def test_other_algorithms_are_refused_in_one_line() -> None:
    learner = sb3_contrib.ARS("LinearPolicy", counting(1))
    with pytest.raises(TypeError, match=r"^algorithm: expected an on-policy or off.* got ARS"):
        imitate(always_one(), steps=16, algorithm=learner, quiet=True)


def test_demonstrations_name_their_settings() -> None:
    ends = np.array([5]), np.array([True])
    demos = Demonstrations(np.zeros((6, 1)), np.zeros(5), *ends, env_settings={"g": 1})
    assert demos.first(1).env_settings == {"g": 1}


def test_a_new_environment_keeps_the_scale_and_pays_unscaled_rewards(pendulum: Any) -> None:
    scale = VecNormalize(pendulum(2))
    fresh = EnvironmentRecipe.of(scale).build(seed=0)
    assert isinstance(fresh, VecNormalize) and scale.training and scale.norm_reward
    assert not fresh.training and not fresh.norm_reward
