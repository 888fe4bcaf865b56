"""Base class of gymnasium's planar MuJoCo robots, whose reward is their speed."""

from typing import ClassVar

import torch
from torch import Tensor

from advlearn_envs.batched import BatchedEnv, observations_of
from advlearn_envs.physics import Physics, physics_on


class Locomotion(BatchedEnv):
    """Simulate a robot in the vertical plane whose joints are driven by motors.

    The reward of a step is the mean speed of the root along x (m/s), plus `HEALTHY`, or `FALLEN`
    if the step ended the episode, minus `COST` |a|^2 of the unclipped action; the motors clip it to
    [-1, 1]. Observations: positions of the joints except that along x (m, rad), then velocities,
    clipped to ±`FASTEST`. An episode starts at rest plus noise of scale `NOISE`. It ends when a row
    of the state is not strictly inside its `BOUNDS`: those of the height, the tilt, the other
    positions and the velocities, as far as they are given. The state holds the time (s),
    positions, velocities and the start of the solver, see `Physics`. Observations hold no contact
    forces, so gymnasium's computation of them after a step is left out.

    Observations and rewards are gymnasium's, rounded from float64 to float32.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Raises:
        ImportError: If MuJoCo, or MuJoCo Warp for a GPU, is not installed.
        ValueError: If an argument is out of range, or the device is of another kind.
    """

    TIME_LIMIT = 1000
    XML: ClassVar[str]
    FRAME_SKIP: ClassVar[int] = 4
    JOINTS: ClassVar[int]
    BOUNDS: ClassVar[tuple[tuple[float, float], ...]]
    HEALTHY: ClassVar[float] = 1.0
    FALLEN: ClassVar[float]
    COST: ClassVar[float] = 1e-3
    NOISE: ClassVar[float] = 5e-3
    FASTEST: ClassVar[float] = 10.0

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
            self.device, self.XML, self.FRAME_SKIP, num_envs, self.NAME
        )
        self.capturable = self._physics.CAPTURABLE
        self._rest = torch.tensor(self._physics.rest, dtype=torch.float64, device=self.device)[
            :, None
        ]
        bounds = torch.tensor(self.BOUNDS, dtype=torch.float64, device=self.device).reshape(
            -1, 2, 1
        )
        self._low, self._high = bounds.unbind(1)

    def _speeds(self) -> Tensor:
        """Draw the velocities of N start states, float64 (J, N)."""
        return self._uniform(self.JOINTS, -self.NOISE, self.NOISE)

    def _draw(self) -> Tensor:
        positions = self._uniform(self.JOINTS, -self.NOISE, self.NOISE).add_(self._rest)
        return torch.cat((self._zeros(1), positions, self._speeds(), self._zeros(self.JOINTS)))

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        after = self._physics.advance(state, actions, self.launcher)
        bounded = after[2 : 2 + len(self.BOUNDS)]
        # NaN is not inside of any bounds.
        fallen = ((bounded > self._low) & (bounded < self._high)).all(0).logical_not_()
        forward = (after[1] - state[1]).div_(self._physics.seconds)
        rewards = forward.add_(torch.where(fallen, self.FALLEN, self.HEALTHY)).sub_(
            self._cost(actions)
        )
        return after, rewards.to(torch.float32), fallen

    def _observe(self, state: Tensor) -> Tensor:
        velocities = state[1 + self.JOINTS : 1 + 2 * self.JOINTS].clamp(-self.FASTEST, self.FASTEST)
        return observations_of(torch.cat((state[2 : 1 + self.JOINTS], velocities)))

    def _cost(self, actions: Tensor) -> Tensor:
        # In float32 and in gymnasium's order of the motors, since another order rounds differently.
        first, *others = actions.square().unbind(1)
        total = first.clone()
        for square in others:
            total += square
        return total * self.COST
