"""The classic environments equal gymnasium's, step for step."""

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import make
from advlearn_envs.batched import BatchedEnv, Choice

CLASSIC = ("CartPole-v1", "Pendulum-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1")
# Steps after which the batch's state is copied to gymnasium, in addition to each start of an
# episode. The acrobot is chaotic: a sine that differs in its last place, as between two C
# libraries, leads to differences above 1e-5 in one episode.
COPY_EVERY = {"Acrobot-v1": 50}
ENVS, STEPS = 10, 1000


def random_actions(env: BatchedEnv, steps: int, beyond: float = 1.5) -> torch.Tensor:
    """Return actions (steps, N) or (steps, N, A); continuous ones exceed their range."""
    generator = torch.Generator().manual_seed(7)
    if isinstance(env.ACTIONS, Choice):
        return torch.randint(0, env.ACTIONS.n, (steps, env.num_envs), generator=generator)
    high = torch.tensor(env.ACTIONS.high)
    return (torch.rand(steps, env.num_envs, len(high), generator=generator) * 2 - 1) * high * beyond


def with_movement(env: BatchedEnv, actions: torch.Tensor) -> torch.Tensor:
    """Push every second environment along its movement, so that it reaches the goal."""
    speed = {"MountainCar-v0": 1, "MountainCarContinuous-v0": 1, "Acrobot-v1": 3}.get(env.NAME)
    if speed is None:
        return actions
    direction = env.state[:, speed].sign()
    pushes = (direction + 1).long() if actions.ndim == 1 else direction[:, None].float()
    actions[::2] = pushes[::2]
    return actions


def copy_state(batch: BatchedEnv, single: gymnasium.Env, i: int, *, start: bool) -> None:
    """Set the state of a gymnasium environment to that of environment i of a batch."""
    core = single.unwrapped
    state = batch.state[i].numpy()
    # The continuous mountain car has a float32 state after its first step.
    core.state = (
        state.copy()
        if start or batch.NAME != "MountainCarContinuous-v0"
        else state.astype(np.float32)
    )
    core.steps_beyond_terminated = None


@pytest.mark.parametrize("name", CLASSIC)
def test_ten_thousand_random_steps_equal_gymnasiums(name: str) -> None:
    batch = make(name, ENVS, seed=3)
    singles = [gymnasium.make(name).unwrapped for _ in range(ENVS)]
    for env in singles:
        env.reset(seed=0)
    batch.reset()
    for i, env in enumerate(singles):
        copy_state(batch, env, i, start=True)
    ended, arrived, worst = 0, 0, 0.0
    for t, random in enumerate(random_actions(batch, STEPS)):
        actions = with_movement(batch, random)
        step = batch.step(actions)
        for i, env in enumerate(singles):
            observation, reward, terminated, _, _ = env.step(
                actions[i].numpy() if actions.ndim > 1 else int(actions[i])
            )
            assert bool(step.terminated[i]) == terminated
            worst = max(
                worst, float(np.abs(step.final_observations[i].numpy() - observation).max())
            )
            worst = max(worst, abs(float(step.rewards[i]) - float(reward)))
            over = bool(step.terminated[i] | step.truncated[i])
            ended += over
            arrived += terminated
            if over or (t + 1) % COPY_EVERY.get(name, STEPS) == 0:
                copy_state(batch, env, i, start=over)
        if name == "Acrobot-v1":
            # Checked in the state, since an observation does not reveal whole turns.
            assert batch.state[:, :2].abs().max() <= np.pi
    assert worst <= 1e-5
    assert ended >= 10
    assert arrived >= 5 or name == "Pendulum-v1"


@pytest.mark.parametrize("name", CLASSIC)
def test_spaces_and_limits_are_gymnasiums(name: str) -> None:
    batch, single = make(name, 2), gymnasium.make(name)
    assert batch.observation_space == single.observation_space
    assert batch.action_space == single.action_space
    spec, expected = gymnasium.spec(f"advlearn/{name}"), gymnasium.spec(name)
    assert batch.time_limit == spec.max_episode_steps == expected.max_episode_steps
    assert spec.reward_threshold == expected.reward_threshold


@pytest.mark.parametrize("name", CLASSIC)
def test_start_states_fill_gymnasiums_range(name: str) -> None:
    """Compare the extremes with those of gymnasium's start states."""
    batch, single = make(name, 4096), gymnasium.make(name).unwrapped
    batch.reset(seed=1)
    starts = list[np.ndarray]()
    for seed in range(400):
        single.reset(seed=seed)
        starts.append(np.array(single.state, np.float64))
    low, high = np.min(starts, 0), np.max(starts, 0)
    slack = 0.03 * (high - low)
    states = batch.state.numpy()
    assert np.all(states.min(0) >= low - slack) and np.all(states.min(0) <= low + slack)
    assert np.all(states.max(0) <= high + slack) and np.all(states.max(0) >= high - slack)


def test_the_step_that_ends_an_episode_returns_its_reward() -> None:
    env = make("MountainCarContinuous-v0", 1)
    env.reset()
    saved = env.state_dict()
    env.load_state_dict({**saved, "state": torch.tensor([[0.449], [0.05]], dtype=torch.float64)})
    step = env.step(torch.tensor([[1.0]]))
    assert step.terminated.item()
    assert step.rewards.item() == pytest.approx(99.9)
    assert step.final_observations[0, 0] >= 0.45
    assert step.observations[0, 0] <= -0.4
