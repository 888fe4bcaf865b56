"""Pendulum: swing up and balance with a weak torque."""

import math
from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import NO_LIMIT, BatchedEnv, Range, observations_of

GRAVITY, SECONDS, STRONGEST, FASTEST = 10.0, 0.05, 2.0, 8.0


@final
class Pendulum(BatchedEnv):
    """Simulate gymnasium's Pendulum-v1; no state ends an episode.

    With the torque u in [-2, 2] N m: w' = clip(w + (15 sin a + 3 u) 0.05, -8, 8) and a' = a + 0.05
    w'. The reward is -(a^2 + 0.1 w^2 + 0.001 u^2) of the state before the step, with a in [-pi,
    pi). Observations: cos a, sin a, w (rad/s); the angle a is 0 upright.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 200.

    Example:
        >>> env = Pendulum(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 1)).observations.shape
        torch.Size([2, 3])

    Reference: gymnasium's `Pendulum-v1`, constants and order of operations.

    Deviations: none in the numbers; gravity is not an argument.
    """

    STATE = 2
    HIGH = (1.0, 1.0, FASTEST)
    LOW = (-1.0, -1.0, -FASTEST)
    ACTIONS = Range((-STRONGEST,), (STRONGEST,))
    TIME_LIMIT = 200
    SHORTEST = NO_LIMIT
    NAME = "Pendulum-v1"

    def _draw(self) -> Tensor:
        drawn = self._uniform(2, -1.0, 1.0)
        drawn[0].mul_(math.pi)
        return drawn

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        angle, speed = state.unbind()
        # Terms of the torque only are float32, as the action is in gymnasium: the pendulum
        # magnifies a difference in the last place.
        torque = actions[:, 0].clamp(-STRONGEST, STRONGEST)
        upright = torch.remainder(angle + math.pi, 2 * math.pi).sub_(math.pi)
        cost = upright.square_().add_(speed.square(), alpha=0.1).add_(torque.square().mul_(0.001))
        faster = angle.sin().mul_(3 * GRAVITY / 2).add_(3.0 * torque).mul_(SECONDS).add_(speed)
        faster.clamp_(-FASTEST, FASTEST)
        after = torch.stack((torch.add(angle, faster, alpha=SECONDS), faster))
        never = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        return after, cost.neg_().to(torch.float32), never

    def _observe(self, state: Tensor) -> Tensor:
        return observations_of(torch.stack((state[0].cos(), state[0].sin(), state[1])))
