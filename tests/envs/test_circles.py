"""Circles of several radii, and the demonstrations of their scripted expert."""

import io
import math

import numpy as np
import pytest
import torch
from advlearn_envs import CartPole, Circles, record
from advlearn_envs.experts import circles_demonstrations, circles_expert


def test_the_speed_is_constant_whatever_the_length_of_the_action() -> None:
    env = Circles(3)
    before = env.reset()[:, -2:]
    after = env.step(torch.tensor([[0.1, 0.1], [1.0, -1.0], [-3.0, 0.0]])).observations[:, -2:]
    root = math.sqrt(0.5)
    assert torch.allclose(
        (after - before) / 0.05, torch.tensor([[root, root], [root, -root], [-1.0, 0.0]]), atol=1e-5
    )


def test_the_observation_is_the_last_five_positions() -> None:
    env = Circles(2)
    first = env.reset()
    assert torch.equal(first, first[:, -2:].repeat(1, 5))
    positions = [first[:, -2:]]
    for t in range(7):
        angle = torch.tensor([0.3 * t, -0.5 * t])
        observations = env.step(torch.stack((angle.cos(), angle.sin()), 1)).observations
        positions.append(observations[:, -2:])
    assert torch.equal(observations, torch.cat(positions[-5:], 1))


def test_the_reward_is_the_distance_to_the_nearest_circle() -> None:
    env = Circles(1, (1.0, -0.5))
    env.reset()
    state = torch.tensor([0.0, -0.8], dtype=torch.float64).repeat(5)[:, None]
    env.load_state_dict({**env.state_dict(), "state": state})
    step = env.step(torch.tensor([[0.0, -1.0]]))
    # At (0, -0.85): 0.85 from the circle around (0, 1), 0.15 from the circle around (0, -0.5).
    assert step.rewards.item() == pytest.approx(-0.15, abs=1e-6)
    assert env.radial_errors(step.observations[0, -2:]).tolist() == pytest.approx(
        [0.85, 0.15], abs=1e-6
    )


def test_positions_are_clipped_at_the_edge() -> None:
    env = Circles(1, (0.2,))
    env.reset()
    for _ in range(20):
        step = env.step(torch.tensor([[1.0, 0.0]]))
    assert step.observations.max().item() == pytest.approx(0.6)
    assert env.observation_space.contains(step.observations[0].numpy())


@pytest.mark.parametrize("radii", [(1.0, 0.5, -0.5), (0.25, -1.0)])
def test_each_demonstration_drives_its_whole_circle(radii: tuple[float, ...]) -> None:
    arrays = circles_demonstrations(6, radii, noise=0.05)
    positions = torch.from_numpy(arrays["observations"]).view(6, 129, 10)[..., -2:]
    errors = Circles(1, radii).radial_errors(positions).mean(1)
    assert (
        errors.argmin(1).tolist() == arrays["modes"].tolist() == [i % len(radii) for i in range(6)]
    )
    assert errors.amin(1).max() < 0.02
    for episode, mode in zip(positions, arrays["modes"], strict=True):
        radius = radii[mode]
        # It passes the far side of the circle.
        assert (episode[:, 1] - 2 * radius).abs().min() < 0.05
        assert episode[5, 0] > 0.15


def test_the_first_observations_do_not_reveal_the_circle() -> None:
    arrays = circles_demonstrations(300, noise=0.0)
    first = torch.from_numpy(arrays["observations"]).view(300, 129, 10)[:, 0]
    means = torch.stack([first[torch.from_numpy(arrays["modes"]) == k].mean(0) for k in range(3)])
    assert (means - means.mean(0)).abs().max() < 0.003
    env = Circles(3)
    policy, _ = circles_expert(env, noise=0.0)
    assert policy(torch.zeros(3, 10))[:, 0].min() > 0.99


def test_recorded_arrays_have_the_layout_of_demonstrations() -> None:
    env = CartPole(4, time_limit=30)
    arrays = record(
        env, lambda x: (x[:, 2] + x[:, 3] > 0).long() * torch.tensor([1, 1, 1, 0]), source="by hand"
    )
    lengths = arrays["episode_lengths"]
    assert arrays["terminated"].tolist() == [False, False, False, True]
    assert lengths[:3].tolist() == [30] * 3 and lengths[3] < 30
    assert (
        len(arrays["actions"]) == len(arrays["rewards"]) == lengths.sum() == arrays["rewards"].sum()
    )
    assert len(arrays["observations"]) == lengths.sum() + 4
    assert (arrays["observations"].dtype, arrays["actions"].dtype) == (np.float32, np.int64)
    assert arrays["expert_return_mean"] == pytest.approx(lengths.mean())
    assert abs(arrays["observations"][-1, 2]) > 0.2, "the last observation of the fallen pole"
    file = io.BytesIO()
    np.savez(file, **arrays)
    file.seek(0)
    with np.load(file, allow_pickle=False) as saved:
        assert str(saved["env_id"]) == "advlearn/CartPole-v1" and str(saved["source"]) == "by hand"


def test_recorded_actions_lead_from_each_position_to_the_next() -> None:
    arrays = circles_demonstrations(2)
    positions = arrays["observations"].reshape(2, 129, 10)[..., -2:]
    steps = np.diff(positions, axis=1).reshape(-1, 2) / 0.05
    assert np.abs(steps - arrays["actions"]).max() < 1e-4


def test_bad_input_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"radii: expected one or more numbers other than 0, got \(1.0, 0\)"
    ):
        Circles(1, (1.0, 0))
    with pytest.raises(ValueError, match=r"radii: .* got \(\)"):
        Circles(1, ())
