"""The mazes: dynamics, walls, mirror images, rewards and the returns of the scripted expert."""

import math

import numpy as np
import pytest
import torch
from advlearn_envs import CMaze, CMazeMirrored, SMaze, SMazeMirrored, record
from advlearn_envs.experts import maze_expert
from advlearn_envs.maze import CLEAR, MASS, Maze

MAZES = (CMaze, CMazeMirrored, SMaze, SMazeMirrored)


def placed(env: Maze, state: list[float]) -> Maze:
    """Return the environment with every point mass in one state: x, y and the two speeds."""
    env.reset()
    rows = torch.tensor(state, dtype=torch.float64)[:, None].repeat(1, env.num_envs)
    env.load_state_dict({**env.state_dict(), "state": rows})
    return env


def test_a_push_without_walls_follows_the_closed_form() -> None:
    """Under implicit damping, v after k steps of dt is F / c (1 - (1 + dt c / m)^-k)."""
    env = placed(SMaze(1), [0.5, 0.0, 0.0, 0.0])
    env.step(torch.tensor([[1.0, 0.0]]))
    speed = 1 - (1 + 0.01 / MASS) ** -np.arange(1, 6)
    assert env.state[0].tolist() == pytest.approx(
        [0.5 + 0.01 * speed.sum(), 0.0, speed[-1], 0.0], abs=1e-12
    )


def test_a_force_beyond_one_is_clipped_and_its_full_cost_is_subtracted() -> None:
    envs = [placed(SMaze(1), [0.5, 0.0, 0.0, 0.0]) for _ in range(2)]
    a, b = envs[0].step(torch.tensor([[1.0, -1.0]])), envs[1].step(torch.tensor([[3.0, -5.0]]))
    assert torch.equal(a.observations, b.observations)
    assert (a.rewards.item(), b.rewards.item()) == pytest.approx((-0.002, -0.034))


@pytest.mark.parametrize("cls", MAZES)
def test_no_mass_crosses_a_wall(cls: type[Maze]) -> None:
    env = cls(256, time_limit=10**6)
    env.reset()
    generator = torch.Generator().manual_seed(0)
    below = torch.ones(256, dtype=torch.bool)
    for t in range(400):
        before = env.state.clone()
        # The direction changes every 20 steps, so that masses hit walls at full speed.
        if t % 20 == 0:
            actions = torch.randn(256, 2, generator=generator).sign()
        env.step(actions)
        x, y = env.state[:, 0], env.state[:, 1]
        for barrier in env.BARRIERS:
            crossed = (before[:, 1] < barrier.y) != (y < barrier.y)
            inside = (
                (x > barrier.left)
                & (x < barrier.right)
                & (before[:, 0] > barrier.left)
                & (before[:, 0] < barrier.right)
            )
            assert not (crossed & inside).any()
            distance = torch.hypot(x - x.clamp(barrier.left, barrier.right), y - barrier.y)
            assert distance.min() >= CLEAR - 1e-3
        assert env.state[:, :2].min() >= -0.1 + CLEAR and env.state[:, :2].max() <= env.SIZE - CLEAR
        below &= y < env.BARRIERS[0].y
    assert not below.all(), "no mass passed the first barrier"


def test_a_wall_removes_only_the_speed_into_it() -> None:
    env = placed(CMaze(1), [0.0, 0.24, 0.5, 1.0])
    env.step(torch.tensor([[0.5, 1.0]]))
    x, y, across, up = env.state[0].tolist()
    assert y == pytest.approx(0.3 - CLEAR) and up == pytest.approx(0.0, abs=1e-9)
    assert across == pytest.approx(0.5) and x == pytest.approx(0.025)
    env = placed(CMaze(1), [0.54, 0.0, 1.0, 0.5])
    env.step(torch.tensor([[1.0, 0.5]]))
    assert env.state[0].tolist() == pytest.approx([0.6 - CLEAR, 0.025, 0.0, 0.5])


@pytest.mark.parametrize(("cls", "mirror"), [(CMaze, CMazeMirrored), (SMaze, SMazeMirrored)])
def test_the_mirror_image_swaps_left_and_right(cls: type[Maze], mirror: type[Maze]) -> None:
    for barrier, image in zip(cls.BARRIERS, mirror.BARRIERS, strict=True):
        inner = barrier.right if barrier.left == -0.1 else barrier.left
        opposite = image.left if barrier.left == -0.1 else image.right
        assert barrier.y == image.y
        assert inner + opposite == pytest.approx(cls.SIZE)
    a, b = (
        placed(cls(1), [cls.SIZE / 2, 0.0, 0.0, 0.0]),
        placed(mirror(1), [cls.SIZE / 2, 0.0, 0.0, 0.0]),
    )
    policies = maze_expert(a), maze_expert(b)
    for _ in range(10):
        a.step(policies[0](a.state[:, :2]))
        b.step(policies[1](b.state[:, :2]))
        assert (a.state[0, 0] + b.state[0, 0]).item() == pytest.approx(cls.SIZE, abs=1e-6)
        assert a.state[0, 1].item() == pytest.approx(b.state[0, 1].item(), abs=1e-6)


@pytest.mark.parametrize(
    ("cls", "expected", "tolerance"),
    [(CMaze, -5.1, 0.3), (CMazeMirrored, -5.1, 0.3), (SMaze, 153.2, 5), (SMazeMirrored, 153.2, 5)],
)
def test_the_experts_return_is_near_that_of_the_papers_expert(
    cls: type[Maze], expected: float, tolerance: float
) -> None:
    env = cls(8)
    arrays = record(env, maze_expert(env), source="scripted")
    assert arrays["expert_return_mean"] == pytest.approx(expected, abs=tolerance)
    assert not arrays["terminated"].any()
    last = arrays["observations"].reshape(8, env.time_limit + 1, 2)[:, -1]
    assert np.abs(last - np.array(env.GOAL)).max() < 0.01


@pytest.mark.parametrize("cls", MAZES)
def test_a_straight_path_does_not_reach_the_goal(cls: type[Maze]) -> None:
    env = cls(4)
    goal = torch.tensor(env.GOAL)
    arrays = record(env, lambda x: (goal - x).sign(), source="straight")
    closest = np.linalg.norm(arrays["observations"] - np.array(env.GOAL), axis=1).min()
    assert closest > 0.15
    assert arrays["expert_return_mean"] < (-15 if env.SIZE < 1 else 1)


def test_the_reward_is_that_of_the_state_before_the_step() -> None:
    env = placed(CMaze(1), [0.1, 0.1, 0.0, 0.0])
    step = env.step(torch.tensor([[0.5, 0.0]]))
    assert step.rewards.item() == pytest.approx(-math.hypot(0.2, 0.4) - 0.00025)
