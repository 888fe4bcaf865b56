"""Properties of every batch: resets in a step, seeds, exact resume, no synchronisation, errors."""

import math

import pytest
import torch
from advlearn_envs import make
from advlearn_envs.batched import BatchedEnv, Choice, Step
from advlearn_envs.catalogue import ENTRIES, available

from advlearn.testing.no_sync import NoSync

NAMES = list(available())


def random_actions(env: BatchedEnv, seed: int) -> torch.Tensor:
    """Return random actions for every environment."""
    generator = torch.Generator().manual_seed(seed)
    if isinstance(env.ACTIONS, Choice):
        return torch.randint(0, env.ACTIONS.n, (env.num_envs,), generator=generator)
    return torch.rand(env.num_envs, len(env.ACTIONS.low), generator=generator) * 2 - 1


def same(a: Step, b: Step) -> bool:
    """Compare all tensors of two steps."""
    return all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_shapes_types_and_memory(name: str) -> None:
    env = make(name, 5)
    first = env.reset()
    step = env.step(random_actions(env, 0))
    for observations in (first, step.observations, step.final_observations):
        assert observations.shape == (5, *env.observation_space.shape)
        assert observations.dtype == torch.float32
        assert observations.is_contiguous()
        assert all(env.observation_space.contains(row.numpy()) for row in observations)
    assert step.rewards.dtype == torch.float32
    assert step.terminated.dtype == step.truncated.dtype == torch.bool
    copies = [part.clone() for part in step]
    env.step(random_actions(env, 1))
    assert all(torch.equal(x, y) for x, y in zip(copies, step, strict=True)), (
        "a later step wrote into an earlier one"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_time_limit_ends_an_episode_and_starts_the_next(name: str) -> None:
    env = make(name, 4, time_limit=3)
    env.reset(seed=0)
    for t in range(7):
        step = env.step(random_actions(env, t))
        assert step.truncated.tolist() == [t % 3 == 2] * 4
        assert torch.equal(step.observations, step.final_observations) != (t % 3 == 2)
    assert make(name, 1).time_limit == ENTRIES[name].time_limit


def test_only_the_ended_environment_starts_anew() -> None:
    env = make("CartPole-v1", 3)
    env.reset(seed=0)
    saved = env.state_dict()
    saved["state"][:, 1] = torch.tensor([2.39, 5.0, 0.0, 0.0], dtype=torch.float64)
    env.load_state_dict(saved)
    step = env.step(torch.tensor([1, 1, 1]))
    assert step.terminated.tolist() == [False, True, False]
    assert not step.truncated.any()
    assert step.final_observations[1, 0] > 2.4
    assert step.observations[1].abs().max() <= 0.05
    assert torch.equal(step.observations[[0, 2]], step.final_observations[[0, 2]])
    # The new episode has the whole time limit left.
    assert env.state_dict()["elapsed"].tolist() == [1, 0, 1]


@pytest.mark.parametrize("limit", [1, 2, 7, 40])
def test_no_start_state_is_used_twice(limit: int) -> None:
    env = make("CartPole-v1", 64, time_limit=limit)
    starts = [env.reset(seed=0)]
    for t in range(80):
        step = env.step(random_actions(env, t % 3))
        starts.append(step.observations[step.terminated | step.truncated])
    assert len(starts[1:]) and len(torch.cat(starts).unique(dim=0)) == len(
        torch.cat(starts)
    ) >= 64 * (80 // limit)


@pytest.mark.parametrize("name", ["CartPole-v1", "MountainCar-v0", "MountainCarContinuous-v0"])
def test_no_episode_is_shorter_than_the_stated_minimum(name: str) -> None:
    """Push always in one direction, or with the movement, from 4,096 start states."""
    for direction in (-1, 1, None):
        env = make(name, 4096)
        env.reset()
        for _ in range(env.SHORTEST - 1):
            push = torch.full((4096,), direction) if direction else env.state[:, -1].sign()
            right = env.ACTIONS.n - 1 if isinstance(env.ACTIONS, Choice) else 0
            step = env.step((push > 0).long() * right if right else push[:, None].float())
            assert not step.terminated.any()


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_fixes_every_number_and_the_global_generators_are_unchanged(name: str) -> None:
    before = torch.get_rng_state()
    a, b, c = (
        make(name, 6, seed=5, time_limit=4),
        make(name, 6, time_limit=4),
        make(name, 6, seed=6, time_limit=4),
    )
    assert torch.equal(a.reset(), b.reset(seed=5))
    c.reset()
    for t in range(6):
        x, y, z = (env.step(random_actions(a, t)) for env in (a, b, c))
        assert same(x, y)
    assert not torch.equal(a.state, c.state) and not same(x, z)
    assert torch.equal(before, torch.get_rng_state())
    a.reset()
    first = a.state.clone()
    a.reset()
    assert not torch.equal(a.state, first), "without a seed the generator continues"


@pytest.mark.parametrize("name", NAMES)
def test_a_saved_run_resumes_bit_for_bit(name: str) -> None:
    env, other = make(name, 6, time_limit=5), make(name, 6, seed=9, time_limit=5)
    env.reset()
    for t in range(3):
        env.step(random_actions(env, t))
    saved = env.state_dict()
    expected = [env.step(random_actions(env, t)) for t in range(3, 12)]
    other.load_state_dict(saved)
    assert all(same(step, other.step(random_actions(env, t))) for t, step in enumerate(expected, 3))
    env.load_state_dict(saved)
    assert all(same(step, env.step(random_actions(env, t))) for t, step in enumerate(expected, 3))


@pytest.mark.parametrize("name", NAMES)
def test_no_step_waits_for_the_device(name: str) -> None:
    env = make(name, 4, time_limit=2)
    actions = random_actions(env, 0)
    with NoSync():
        env.reset()
        for _ in range(3):
            env.step(actions)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_a_policy_end_at_the_environment(name: str) -> None:
    env = make(name, 2)
    env.reset()
    actions = random_actions(env, 0)
    step = env.step(actions.requires_grad_() if actions.is_floating_point() else actions)
    assert not any(part.requires_grad for part in step)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="num_envs: expected at least 1, got 0"):
        make("CartPole-v1", 0)
    with pytest.raises(ValueError, match="time_limit: expected at least 1 step, got 0"):
        make("CartPole-v1", 1, time_limit=0)
    with pytest.raises(
        ValueError, match=r"name: expected one of CartPole-v1, .*, got 'CartPole-v9'"
    ):
        make("CartPole-v9", 1)
    env = make("advlearn/CartPole-v1", 2)
    with pytest.raises(RuntimeError, match=r"state: .* got none; call reset first"):
        env.step(torch.tensor([0, 1]))
    env.reset()
    for actions in (torch.tensor([0, 1, 1]), torch.tensor([0.0, 1.0]), torch.tensor([[0], [1]])):
        with pytest.raises(
            ValueError, match=r"actions: expected torch.int64 \(2,\) on cpu, got torch\."
        ):
            env.step(actions)
    pendulum = make("Pendulum-v1", 2)
    pendulum.reset()
    with pytest.raises(
        ValueError,
        match=r"actions: expected torch.float32 \(2, 1\) on cpu, got torch.float64 \(2, 1\)",
    ):
        pendulum.step(torch.zeros(2, 1, dtype=torch.float64))


def test_a_state_that_does_not_fit_is_refused() -> None:
    env = make("CartPole-v1", 2)
    env.reset()
    saved = env.state_dict()
    with pytest.raises(ValueError, match="got none for elapsed, generator, starts, starts_age"):
        env.load_state_dict({"state": saved["state"]})
    with pytest.raises(ValueError, match=r"expected shape \(4, 3\) as in this batch, got \(4, 2\)"):
        make("CartPole-v1", 3).load_state_dict(saved)


def test_an_infinite_bound_is_kept_in_the_space() -> None:
    assert make("CartPole-v1", 1).observation_space.high[1] == math.inf
