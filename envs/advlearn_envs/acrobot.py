"""Acrobot: swing two links up to a height with a motor at their joint."""

import math
from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import BatchedEnv, Choice, observations_of

GRAVITY, SECONDS, START = 9.8, 0.2, 0.1
FASTEST_1, FASTEST_2 = 4 * math.pi, 9 * math.pi
# Both links: 1 m, 1 kg, centre of mass at 0.5 m, moment of inertia 1 kg m^2.
COUPLING = 0.5  # m2 l1 lc2
LOWER = 1.25  # m2 lc2^2 + I2
BOTH = 0.25 + 1.25 + 2.0  # m1 lc1^2 + m2 (l1^2 + lc2^2) + I1 + I2


@final
class Acrobot(BatchedEnv):
    """Simulate gymnasium's Acrobot-v1: reward -1 per step, 0 on the step that ends the episode.

    The equations of motion of the book are integrated by one fourth-order Runge-Kutta step of
    0.2 s. Angles are wrapped to [-pi, pi], and speeds are clipped to 4 pi and 9 pi. An episode ends
    when -cos a - cos(a + b) > 1. Observations: cos a, sin a, cos b, sin b and the two angular
    speeds (rad/s); a is measured from hanging down, and b is relative to a. Actions: torque -1, 0,
    1 N m as 0, 1, 2.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 500.

    Example:
        >>> env = Acrobot(2)
        >>> _ = env.reset()
        >>> env.step(torch.tensor([0, 2])).rewards
        tensor([-1., -1.])

    Reference: Sutton and Barto, "Reinforcement Learning: An Introduction", 1998, section 11.3;
        constants and order of operations as in gymnasium's `Acrobot-v1`.

    Deviations: none in the numbers; no torque noise and no equations of the NeurIPS paper.
    """

    STATE = 4
    HIGH = (1.0, 1.0, 1.0, 1.0, FASTEST_1, FASTEST_2)
    LOW = (-1.0, -1.0, -1.0, -1.0, -FASTEST_1, -FASTEST_2)
    ACTIONS = Choice(3)
    TIME_LIMIT = 500
    NAME = "Acrobot-v1"

    def _draw(self) -> Tensor:
        return self._uniform(4, -START, START)

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        torque = actions.to(torch.float64).sub_(1)
        k1 = _rates(state, torque)
        k2 = _rates(torch.add(state, k1, alpha=SECONDS / 2), torque)
        k3 = _rates(torch.add(state, k2, alpha=SECONDS / 2), torque)
        k4 = _rates(torch.add(state, k3, alpha=SECONDS), torque)
        after = torch.add(state, k1.add_(k2, alpha=2).add_(k3, alpha=2).add_(k4), alpha=SECONDS / 6)
        after[:2] = _wrap(after[:2])
        after[2].clamp_(-FASTEST_1, FASTEST_1)
        after[3].clamp_(-FASTEST_2, FASTEST_2)
        up = after[0].cos().add_((after[0] + after[1]).cos_()) < -1.0
        return after, up.to(torch.float32).sub_(1), up

    def _observe(self, state: Tensor) -> Tensor:
        cosines, sines = state[:2].cos(), state[:2].sin()
        return observations_of(
            torch.stack((cosines[0], sines[0], cosines[1], sines[1], state[2], state[3]))
        )


def _rates(state: Tensor, torque: Tensor) -> Tensor:
    """Return the time derivative (4, N) of a state (4, N) under a torque (N,)."""
    first, second, spin_1, spin_2 = state.unbind()
    cosine, sine = second.cos(), second.sin().mul_(COUPLING)
    d1 = (2 * COUPLING * cosine).add_(BOTH)
    d2 = cosine.mul_(COUPLING).add_(LOWER)
    # cos(x - pi / 2) is sin x.
    phi_2 = (first + second).sin_().mul_(0.5 * GRAVITY)
    centrifugal = spin_2.square().add_(spin_1 * spin_2, alpha=2).mul_(sine)
    phi_1 = first.sin().mul_(1.5 * GRAVITY).sub_(centrifugal).add_(phi_2)
    ratio = d2 / d1
    pull = (ratio * phi_1).add_(torque).sub_(sine.mul_(spin_1.square())).sub_(phi_2)
    turn_2 = pull.div_(ratio.mul_(d2).neg_().add_(LOWER))
    turn_1 = phi_1.add_(d2.mul_(turn_2)).div_(d1).neg_()
    return torch.stack((spin_1, spin_2, turn_1, turn_2))


def _wrap(angles: Tensor) -> Tensor:
    """Wrap angles into [-pi, pi]; leave angles inside unchanged."""
    turn = 2 * math.pi
    above = ((angles - math.pi) / turn).ceil_().clamp_(min=0)
    below = ((-math.pi - angles) / turn).ceil_().clamp_(min=0)
    return angles + (below - above) * turn
