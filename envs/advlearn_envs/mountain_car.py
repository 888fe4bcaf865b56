"""MountainCar: gather speed to climb a slope; discrete and continuous actions."""

from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import BatchedEnv, Choice, Range, observations_of

LEFT, RIGHT, FASTEST, GRAVITY = -1.2, 0.6, 0.07, 0.0025
START = (-0.6, -0.4)
PUSH, GOAL = 0.001, 0.5
POWER, GOAL_CONTINUOUS = 0.0015, 0.45


@final
class MountainCar(BatchedEnv):
    """Simulate gymnasium's MountainCar-v0: reward -1 per step until position 0.5.

    v' = clip(v + 0.001 (a - 1) - 0.0025 cos 3x, -0.07, 0.07), x' = clip(x + v', -1.2, 0.6); v' = 0
    at the left wall. Observations: position, speed. Actions: 0 left, 1 nothing, 2 right.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 200.

    Example:
        >>> env = MountainCar(2)
        >>> _ = env.reset()
        >>> env.step(torch.tensor([0, 2])).rewards
        tensor([-1., -1.])

    Reference: Moore, "Efficient memory-based learning for robot control", 1990; constants and order
        of operations as in gymnasium's `MountainCar-v0`.

    Deviations: none in the numbers; the speed required at the goal is 0 and not an argument. An
        action that is not 0, 1 or 2 is not refused.
    """

    STATE = 2
    LOW = (LEFT, -FASTEST)
    HIGH = (RIGHT, FASTEST)
    ACTIONS = Choice(3)
    TIME_LIMIT = 200
    # From -0.4 to 0.5 at 0.07 a step.
    SHORTEST = 12
    NAME = "MountainCar-v0"

    def _draw(self) -> Tensor:
        return torch.cat((self._uniform(1, *START), self._zeros(1)))

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        push = actions.to(torch.float64).sub_(1).mul_(PUSH)
        after = _roll(state, push.sub_(slope(3 * state[0])))
        arrived = (after[0] >= GOAL).logical_and_(after[1] >= 0)
        return after, torch.full((self.num_envs,), -1.0, device=self.device), arrived

    def _observe(self, state: Tensor) -> Tensor:
        return observations_of(state)


@final
class MountainCarContinuous(BatchedEnv):
    """Simulate gymnasium's MountainCarContinuous-v0: 100 at the goal minus 0.1 |a|^2.

    v' = clip(v + 0.0015 clip(a, -1, 1) - 0.0025 cos 3x, -0.07, 0.07), x' = clip(x + v', -1.2, 0.6);
    v' = 0 at the left wall; the goal is 0.45. Observations: position, speed. Actions: float32 (N,
    1) in [-1, 1].

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 999.

    Example:
        >>> env = MountainCarContinuous(2)
        >>> _ = env.reset()
        >>> env.step(torch.ones(2, 1)).rewards
        tensor([-0.1000, -0.1000])

    Reference: gymnasium's `MountainCarContinuous-v0`, constants and order of operations.

    Deviations: none in the numbers; as gymnasium's, the state is of float32 precision.
    """

    STATE = 2
    LOW = (LEFT, -FASTEST)
    HIGH = (RIGHT, FASTEST)
    ACTIONS = Range((-1.0,), (1.0,))
    TIME_LIMIT = 999
    # From -0.4 to 0.45 at 0.07 a step.
    SHORTEST = 12
    NAME = "MountainCarContinuous-v0"

    def _draw(self) -> Tensor:
        return torch.cat((self._uniform(1, *START), self._zeros(1)))

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        action = actions[:, 0]
        # In gymnasium the state is float64 after a reset and float32 after a step, and a clipped
        # action is a Python float. Every operation rounds as in gymnasium, since a difference in
        # the last place would grow to 1e-5 within an episode.
        fresh = self._elapsed == 0
        small = state.to(torch.float32)
        pull = slope(torch.where(fresh, 3 * state[0], (3 * small[0]).double()))
        inside = (action * POWER).sub_(pull.to(torch.float32)).double()
        gain = torch.where(action.abs() > 1, action.sign().double().mul_(POWER).sub_(pull), inside)
        later = _roll(small, gain.to(torch.float32))
        after = torch.where(fresh, _roll(state, gain).to(torch.float32), later)
        arrived = (after[0] >= GOAL_CONTINUOUS).logical_and_(after[1] >= 0)
        rewards = arrived.to(torch.float64).mul_(100).sub_(action.double().square_(), alpha=0.1)
        return after.double(), rewards.to(torch.float32), arrived

    def _observe(self, state: Tensor) -> Tensor:
        return observations_of(state)


def slope(angle: Tensor) -> Tensor:
    """Return the speed (N,) that gravity removes in a step, at three times the position."""
    return angle.cos().mul_(GRAVITY)


def _roll(state: Tensor, gain: Tensor) -> Tensor:
    """Return the state (2, N) after the speed grows by `gain` (N,), which is overwritten."""
    speed = gain.add_(state[1]).clamp_(-FASTEST, FASTEST)
    position = (state[0] + speed).clamp_(LEFT, RIGHT)
    # The wall is inelastic.
    speed.masked_fill_((position == LEFT).logical_and_(speed < 0), 0.0)
    return torch.stack((position, speed))
