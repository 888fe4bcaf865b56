"""The classic environments equal gymnasium's, step for step."""

import gymnasium
import numpy as np
import pytest
import torch
from advlearn_envs import make
from advlearn_envs.batched import BatchedEnv, Choice

CLASSIC = ("CartPole-v1", "Pendulum-v1", "MountainCar-v0", "MountainCarContinuous-v0", "Acrobot-v1")
# Steps after which gymnasium's state is set to ours again, apart from the start of each episode.
# The acrobot is chaotic: a sine that differs in its last place, as between two C libraries, is
# magnified past 1e-5 in one episode.
HANDED_OVER = {"Acrobot-v1": 50}
ENVS, STEPS = 10, 1000


def random_actions(env: BatchedEnv, steps: int, beyond: float = 1.5) -> torch.Tensor:
    """Actions (steps, N) or (steps, N, A); continuous ones go past their range, where clipping shows."""
    generator = torch.Generator().manual_seed(7)
    if isinstance(env.ACTIONS, Choice):
        return torch.randint(0, env.ACTIONS.n, (steps, env.num_envs), generator=generator)
    high = torch.tensor(env.ACTIONS.high)
    return (torch.rand(steps, env.num_envs, len(high), generator=generator) * 2 - 1) * high * beyond


def with_the_swing(env: BatchedEnv, actions: torch.Tensor) -> torch.Tensor:
    """Let every other environment push with its movement, which takes it to the goal that random actions miss."""
    speed = {"MountainCar-v0": 1, "MountainCarContinuous-v0": 1, "Acrobot-v1": 3}.get(env.NAME)
    if speed is None:
        return actions
    swing = env.state[:, speed].sign()
    chosen = (swing + 1).long() if actions.ndim == 1 else swing[:, None].float()
    actions[::2] = chosen[::2]
    return actions


def hand_over(ours: BatchedEnv, theirs: gymnasium.Env, i: int, *, fresh: bool) -> None:
    """Set the state of a gymnasium environment to that of our environment i."""
    core = theirs.unwrapped
    state = ours.state[i].numpy()
    # The continuous mountain car keeps float32 after its first step.
    core.state = (
        state.copy()
        if fresh or ours.NAME != "MountainCarContinuous-v0"
        else state.astype(np.float32)
    )
    core.steps_beyond_terminated = None


@pytest.mark.parametrize("name", CLASSIC)
def test_ten_thousand_random_steps_equal_gymnasiums(name: str) -> None:
    ours = make(name, ENVS, seed=3)
    theirs = [gymnasium.make(name).unwrapped for _ in range(ENVS)]
    for env in theirs:
        env.reset(seed=0)
    ours.reset()
    for i, env in enumerate(theirs):
        hand_over(ours, env, i, fresh=True)
    ended, arrived, worst = 0, 0, 0.0
    for t, random in enumerate(random_actions(ours, STEPS)):
        actions = with_the_swing(ours, random)
        step = ours.step(actions)
        for i, env in enumerate(theirs):
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
            if over or (t + 1) % HANDED_OVER.get(name, STEPS) == 0:
                hand_over(ours, env, i, fresh=over)
        if name == "Acrobot-v1":
            # An observation does not show whole turns.
            assert ours.state[:, :2].abs().max() <= np.pi
    assert worst <= 1e-5
    assert ended >= 10
    assert arrived >= 5 or name == "Pendulum-v1"


@pytest.mark.parametrize("name", CLASSIC)
def test_spaces_and_limits_are_gymnasiums(name: str) -> None:
    ours, theirs = make(name, 2), gymnasium.make(name)
    assert ours.observation_space == theirs.observation_space
    assert ours.action_space == theirs.action_space
    mine, spec = gymnasium.spec(f"advlearn/{name}"), gymnasium.spec(name)
    assert ours.time_limit == mine.max_episode_steps == spec.max_episode_steps
    assert mine.reward_threshold == spec.reward_threshold


@pytest.mark.parametrize("name", CLASSIC)
def test_start_states_fill_gymnasiums_range(name: str) -> None:
    """Against the extremes of gymnasium's own starts: as wide, and not wider."""
    ours, theirs = make(name, 4096), gymnasium.make(name).unwrapped
    ours.reset(seed=1)
    starts = list[np.ndarray]()
    for seed in range(400):
        theirs.reset(seed=seed)
        starts.append(np.array(theirs.state, np.float64))
    low, high = np.min(starts, 0), np.max(starts, 0)
    slack = 0.03 * (high - low)
    mine = ours.state.numpy()
    assert np.all(mine.min(0) >= low - slack) and np.all(mine.min(0) <= low + slack)
    assert np.all(mine.max(0) <= high + slack) and np.all(mine.max(0) >= high - slack)


def test_a_reward_is_that_of_the_step_that_ends_the_episode() -> None:
    env = make("MountainCarContinuous-v0", 1)
    env.reset()
    saved = env.state_dict()
    env.load_state_dict({**saved, "state": torch.tensor([[0.449], [0.05]], dtype=torch.float64)})
    step = env.step(torch.tensor([[1.0]]))
    assert step.terminated.item()
    assert step.rewards.item() == pytest.approx(99.9)
    assert step.final_observations[0, 0] >= 0.45
    assert step.observations[0, 0] <= -0.4
