"""Ant: run forward on four legs without falling or jumping."""

import math
from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import BatchedEnv, Range, observations_of
from advlearn_envs.physics import Physics, physics_on

POSITIONS, VELOCITIES, FORCES = 15, 14, 78
# Rows of the state: the time, positions, velocities and the start of the solver, the x coordinate
# of the torso as MuJoCo's last step computed it, and the contact forces.
PLACE = 1 + POSITIONS + 2 * VELOCITIES


@final
class Ant(BatchedEnv):
    """Simulate gymnasium's Ant-v5.

    The reward of a step is the mean speed of the torso along x (m/s), plus 1 if the robot is
    healthy, minus 0.5 |a|^2 of the unclipped action, minus 0.0005 |f|^2 of the contact forces and
    torques f on all bodies, each clipped to [-1, 1]; the motors clip the action to [-1, 1]. It is
    healthy while the height of its torso is from 0.2 to 1 m and its state is finite; else the
    episode ends. Observations: positions except x and y, velocities, and f. Start positions have
    uniform noise within 0.1 and start velocities normal noise of scale 0.1.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Raises:
        ImportError: If MuJoCo, or MuJoCo Warp for a GPU, is not installed.
        ValueError: If an argument is out of range, or the device is of another kind.

    Example:
        >>> env = Ant(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 8)).observations.shape
        torch.Size([2, 105])

    Reference: gymnasium's `Ant-v5`, model, constants and order of operations.

    Deviations: observations are float32 instead of float64. Start states are drawn by another
    generator, in float32.
    """

    STATE = PLACE + 1 + FORCES
    LOW, HIGH = (-math.inf,) * 105, (math.inf,) * 105
    ACTIONS = Range((-1.0,) * 8, (1.0,) * 8)
    TIME_LIMIT = 1000
    NAME = "Ant-v5"
    NOISE = 0.1
    HEALTHY_HEIGHTS = (0.2, 1.0)
    ACTION_COST, CONTACT_COST = 0.5, 5e-4

    def __init__(
        self,
        num_envs: int,
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        time_limit: int | None = None,
    ) -> None:
        super().__init__(num_envs, device=device, seed=seed, time_limit=time_limit)
        self._physics: Physics = physics_on(
            self.device, "ant.xml", 5, num_envs, self.NAME, forces=True
        )
        self.capturable = self._physics.CAPTURABLE
        rest = torch.tensor(self._physics.rest, dtype=torch.float64, device=self.device)
        self._rest = rest[:, None]

    def _draw(self) -> Tensor:
        positions = self._uniform(POSITIONS, -self.NOISE, self.NOISE).add_(self._rest)
        drawn = torch.empty(VELOCITIES, self.num_envs, device=self.device)
        velocities = drawn.normal_(0.0, self.NOISE, generator=self.generator).double()
        place = positions[:1]
        solver, forces = self._zeros(VELOCITIES), self._zeros(FORCES)
        return torch.cat((self._zeros(1), positions, velocities, solver, place, forces))

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        after = self._physics.advance(state, actions, self.launcher)
        low, high = self.HEALTHY_HEIGHTS
        moving = after[1 : 1 + POSITIONS + VELOCITIES]
        # Not a number is not within any bounds.
        healthy = torch.isfinite(moving).all(0) & (after[3] >= low) & (after[3] <= high)
        forward = (after[PLACE] - state[PLACE]).div_(self._physics.seconds)
        contact = self._forces(after).square().sum(0) * self.CONTACT_COST
        rewards = forward.add_(healthy).sub_(self._action_cost(actions) + contact)
        return after, rewards.to(torch.float32), healthy.logical_not_()

    def _observe(self, state: Tensor) -> Tensor:
        moving = state[3 : 1 + POSITIONS + VELOCITIES]
        return observations_of(torch.cat((moving, self._forces(state))))

    def _forces(self, state: Tensor) -> Tensor:
        return state[PLACE + 1 :].clamp(-1.0, 1.0)

    def _action_cost(self, actions: Tensor) -> Tensor:
        # In float32 and in the order of numpy's sum of eight, since another order rounds otherwise.
        squares = actions.square()
        while squares.shape[1] > 1:
            squares = squares[:, ::2] + squares[:, 1::2]
        return squares[:, 0] * self.ACTION_COST
