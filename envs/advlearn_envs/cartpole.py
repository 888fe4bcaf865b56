"""CartPole: balance a pole on a cart that is pushed left or right."""

import math
from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import BatchedEnv, Choice, observations_of

GRAVITY, FORCE, SECONDS = 9.8, 10.0, 0.02
POLE_MASS, TOTAL_MASS, HALF_LENGTH = 0.1, 1.1, 0.5
MOMENT = POLE_MASS * HALF_LENGTH
FURTHEST, STEEPEST = 2.4, 12 * 2 * math.pi / 360
START = 0.05


@final
class CartPole(BatchedEnv):
    """Simulate gymnasium's CartPole-v1: reward 1 per step within the bounds.

    With the force F = +-10 N, a total mass of 1.1 kg and T = (F + 0.05 w^2 sin a) / 1.1: dw/dt =
    (9.8 sin a - T cos a) / (0.5 (4/3 - 0.1 cos^2 a / 1.1)) and dv/dt = T - 0.05 dw/dt cos a / 1.1,
    in Euler steps of 0.02 s. Observations: position (m), speed (m/s), angle (rad), angular speed
    (rad/s). Actions: 0 left, 1 right.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 500.

    Example:
        >>> env = CartPole(2)
        >>> _ = env.reset()
        >>> env.step(torch.tensor([0, 1])).rewards
        tensor([1., 1.])

    Reference: Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve difficult
        learning control problems", 1983, appendix; constants and order of operations as in
        gymnasium's `CartPole-v1`.

    Deviations: none in the numbers; an action that is not 0 or 1 is not refused.
    """

    STATE = 4
    HIGH = (2 * FURTHEST, math.inf, 2 * STEEPEST, math.inf)
    LOW = (-2 * FURTHEST, -math.inf, -2 * STEEPEST, -math.inf)
    ACTIONS = Choice(2)
    TIME_LIMIT = 500
    # The angular acceleration is below 18 rad/s^2, so from 0.05 rad and 0.05 rad/s the pole needs
    # at least 7 steps to reach 12 degrees.
    SHORTEST = 6
    NAME = "CartPole-v1"

    def _draw(self) -> Tensor:
        return self._uniform(4, -START, START)

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        _, speed, angle, spin = state.unbind()
        sine, cosine = angle.sin(), angle.cos()
        force = actions.to(torch.float64).mul_(2 * FORCE).sub_(FORCE)
        push = spin.square().mul_(MOMENT).mul_(sine).add_(force).div_(TOTAL_MASS)
        inertia = cosine.square().mul_(-POLE_MASS / TOTAL_MASS).add_(4 / 3).mul_(HALF_LENGTH)
        turn = sine.mul_(GRAVITY).sub_(cosine * push).div_(inertia)
        acceleration = push.sub_(cosine.mul_(turn).mul_(MOMENT / TOTAL_MASS))
        after = torch.add(state, torch.stack((speed, acceleration, spin, turn)), alpha=SECONDS)
        fallen = (after[0].abs() > FURTHEST).logical_or_(after[2].abs() > STEEPEST)
        return after, torch.ones(self.num_envs, device=self.device), fallen

    def _observe(self, state: Tensor) -> Tensor:
        return observations_of(state)
