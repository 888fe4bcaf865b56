"""Observations that are images and dicts: as vectors and back, in files, and in whole runs."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

pytest.importorskip("stable_baselines3", reason="imitation needs the extra rl")

from gymnasium import spaces
from stable_baselines3 import DQN, PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

from advlearn.imitation import (
    Demonstrations,
    Encoder,
    Transitions,
    clone_behaviour,
    imitate,
    load_demonstrations,
)
from advlearn.imitation.demonstrations.layout import Layout, flat
from advlearn.imitation.demonstrations.loading import record, save_demonstrations
from advlearn.imitation.demonstrations.sources import from_trajectories
from advlearn.imitation.demonstrations.validation import validate_demonstrations
from advlearn.imitation.sb3.recording import RecordingVecEnv
from advlearn.nets import PixelCritic

IMAGE = spaces.Box(0, 255, (8, 8, 3), np.uint8)
# Small networks for small images: the convolutions of stable-baselines3 need 36 pixels a side.
SMALL: dict[str, Any] = {"policy_kwargs": {"net_arch": [8]}}


class Lamp(gym.Env[Any, Any]):
    """Show an image whose brightness the action sets, for four steps; a dict adds the time."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        vector = spaces.Box(0, 4, (1,), np.float32)
        self.observation_space = {
            "image": IMAGE,
            "dict": spaces.Dict({"time": vector, "picture": IMAGE}),
            "vectors": spaces.Dict({"time": vector, "light": spaces.Box(0, 1, (2, 1), np.float32)}),
        }[kind]
        self.action_space = spaces.Discrete(2)
        self.light, self.time = 0, 0

    def observation(self) -> Any:
        picture = np.full((8, 8, 3), 200 * self.light, np.uint8)
        picture[0, 0] = 7, 8, 9  # the channels of a corner differ, to reveal a wrong order
        time = np.array([self.time], np.float32)
        light = np.full((2, 1), self.light, np.float32)
        kinds = {
            "image": picture,
            "dict": {"time": time, "picture": picture},
            "vectors": {"time": time, "light": light},
        }
        return kinds[self.kind]

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        super().reset(seed=seed)
        self.light, self.time = 0, 0
        return self.observation(), {}

    def step(self, action: Any) -> Any:
        self.light, self.time = int(action), self.time + 1
        return self.observation(), 1.0, self.time == 4, False, {}


def lamps(kind: str, n: int = 2) -> DummyVecEnv:
    """Return n lamps."""
    return DummyVecEnv([lambda: Lamp(kind)] * n)


class SwitchesOn:
    """An expert that switches the light on."""

    def predict(self, observations: Any, **_: Any) -> Any:
        first = (
            next(iter(observations.values())) if isinstance(observations, dict) else observations
        )
        return np.ones(len(first), int), None


def test_the_parts_of_a_dict_are_sorted_by_name_in_a_vector_and_restored() -> None:
    space = spaces.Dict(
        {"b": spaces.Box(0, 1, (2, 2)), "a": spaces.Box(0, 255, (3, 8, 8), np.uint8)}
    )
    layout = Layout(space)
    assert (layout.width, layout.images) == (196, ((0, (3, 8, 8)),))
    observations = {
        "a": np.arange(192, dtype=np.uint8).reshape(1, 3, 8, 8),
        "b": np.array([[[0.5, 1], [2, 3]]], np.float32),
    }
    vectors = flat(observations)
    assert vectors[0].tolist() == [*range(192), 0.5, 1, 2, 3]
    back = layout.unflatten(torch.as_tensor(vectors))
    assert back["a"].dtype == torch.uint8
    for name, part in back.items():
        assert np.array_equal(part.numpy(), observations[name])
    tensors = flat({name: torch.as_tensor(part) for name, part in observations.items()})
    assert torch.equal(tensors, torch.as_tensor(vectors))


def test_pixels_are_mapped_to_minus_one_to_one_in_the_critics_inputs() -> None:
    pixels = torch.randint(0, 256, (5, 192), dtype=torch.uint8)
    steps = Transitions.of(pixels, torch.arange(5) % 2, pixels.flip(0), torch.zeros(5))
    encoder = Encoder(steps, choices=2, critic_inputs="state-action-next", images=((0, (3, 8, 8)),))
    x = encoder(steps)
    assert x.shape == (5, 193 + 2 + 193) and encoder.images == ((0, (3, 8, 8)), (195, (3, 8, 8)))
    assert torch.allclose(x[:, :192], pixels / 127.5 - 1, atol=1e-6)
    assert torch.allclose(x[:, 195 : 195 + 192], pixels.flip(0) / 127.5 - 1, atol=1e-6)


def test_the_pixel_critic_convolves_images_and_keeps_other_features() -> None:
    torch.manual_seed(0)
    critic = PixelCritic(1 + 192 + 2 + 192, [(1, (3, 8, 8)), (195, (3, 8, 8))])
    assert critic.rest == [(0, 1), (193, 195)] and len(critic.convolutions) == 1
    x = torch.randn(4, 387)
    picture = x[:, 195:].reshape(4, 3, 8, 8)
    by_hand = torch.cat(
        [x[:, :1], x[:, 193:195], critic.convolutions["3x8x8"](x[:, 1:193].reshape(4, 3, 8, 8)),
         critic.convolutions["3x8x8"](picture)], 1,
    )  # fmt: skip
    assert torch.equal(critic(x), critic.body(by_hand)[:, 0])
    with pytest.raises(ValueError, match="images: expected parts of 100 features"):
        PixelCritic(100, [(1, (3, 8, 8))])


@pytest.mark.parametrize("kind", ["image", "dict", "vectors"])
def test_a_recording_and_demonstrations_agree_on_the_vectors(kind: str) -> None:
    demos = record(SwitchesOn(), lamps(kind), 2)
    recording = RecordingVecEnv(lamps(kind, 1))
    recording.reset()
    for _ in range(4):
        recording.step(np.ones(1, int))
    steps, expert = recording.take(), demos.first(1).transitions()
    assert all(map(torch.equal, steps, expert))
    assert steps.terminated.tolist() == [False, False, False, True]


@pytest.mark.parametrize("kind", ["image", "dict", "vectors"])
def test_saved_observations_load_unchanged(kind: str, tmp_path: Any) -> None:
    demos = record(SwitchesOn(), lamps(kind), 2)
    back = load_demonstrations(save_demonstrations(demos, tmp_path / "demos.npz"))
    assert all(map(torch.equal, demos.transitions(), back.transitions()))
    assert type(back.observations) is type(demos.observations)


def test_dict_observations_of_trajectories_are_unwrapped() -> None:
    class Dicts:
        def unwrap(self) -> dict[str, Any]:
            return {"x": np.arange(4.0)[:, None]}

    class Trajectory:
        obs, acts, terminal = Dicts(), np.zeros(3, int), True

    assert from_trajectories([Trajectory()]).transitions().observations[:, 0].tolist() == [0, 1, 2]


def test_channels_of_images_are_moved_first_as_in_stable_baselines() -> None:
    demos = record(SwitchesOn(), lamps("image"), 2)
    turned = validate_demonstrations(
        demos, spaces.Box(0, 255, (3, 8, 8), np.uint8), spaces.Discrete(2)
    )
    assert isinstance(turned.observations, np.ndarray)
    assert turned.observations[0, :, 0, 0].tolist() == [7, 8, 9]
    floats = Demonstrations(
        turned.observations / 255, demos.actions, demos.lengths, demos.terminated
    )
    with pytest.raises(ValueError, match="expected images as uint8 from 0 to 255, got float64"):
        validate_demonstrations(floats, spaces.Box(0, 255, (3, 8, 8), np.uint8), spaces.Discrete(2))


# Rollouts, the replay buffer and the normalisation each read every layout that they can have; the
# critic of AIRL reads what that of GAIL does, so one layout of several parts is enough.
LEARNT = [
    *((algorithm, kind) for algorithm in ("ppo", "dqn") for kind in ("image", "dict", "vectors")),
    *(("airl", "dict"), ("normalised", "dict"), ("normalised", "vectors")),
]


@pytest.mark.parametrize(("algorithm", "kind"), LEARNT)
def test_a_policy_learns_to_switch_the_light_on(algorithm: str, kind: str) -> None:
    demos = record(SwitchesOn(), lamps(kind), 4)
    # A perceptron flattens images.
    policy = "MlpPolicy" if kind == "image" else "MultiInputPolicy"
    shared: dict[str, Any] = {"seed": 0, "device": "cpu", **SMALL}
    if kind == "dict":
        shared["policy_kwargs"] = {"net_arch": [8], "features_extractor_class": Flat}
    if kind == "image":
        shared["policy_kwargs"] = {"net_arch": [8], "normalize_images": True}
    env: Any = lamps(kind)
    if algorithm == "normalised":
        env = VecNormalize(env, norm_obs_keys=["time"] if kind == "dict" else None)
    if algorithm == "dqn":
        settings: dict[str, Any] = {
            "learning_starts": 32,
            "target_update_interval": 50,
            "exploration_final_eps": 0.02,
        }
        learner: Any = DQN(
            policy, env, batch_size=32, learning_rate=3e-3, gamma=0.5, **settings, **shared
        )
        steps = 500
    else:
        learner = PPO(
            policy,
            env,
            n_steps=32,
            batch_size=32,
            n_epochs=4,
            learning_rate=5e-3,
            gamma=0.5,
            **shared,
        )
        steps = 640
    objective = "airl" if algorithm == "airl" else "gail"
    imitate(demos, objective, algorithm=learner, steps=steps, critic_steps=4, quiet=True)
    observations: Any = learner.get_env().reset()
    actions, _ = learner.predict(observations, deterministic=True)
    assert actions.tolist() == [1, 1]


class Flat(torch.nn.Module):
    """Flatten a dict, since convolutions of stable-baselines3 need images of 36 pixels a side."""

    def __init__(self, observation_space: spaces.Dict) -> None:
        super().__init__()
        self.features_dim = Layout(observation_space).width

    def forward(self, observations: dict[str, torch.Tensor]) -> torch.Tensor:
        return flat(observations).float()


def test_cloning_trains_a_policy_of_dicts() -> None:
    learner = PPO("MultiInputPolicy", lamps("vectors"), seed=0, device="cpu")
    clone_behaviour(learner, record(SwitchesOn(), lamps("vectors"), 4).transitions(), steps=100)
    observations: Any = lamps("vectors").reset()
    assert learner.predict(observations, deterministic=True)[0].tolist() == [1, 1]
