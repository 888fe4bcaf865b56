"""Point-mass mazes for the transfer of learned rewards: a C and an S, and their mirror images."""

import math
from abc import abstractmethod
from typing import ClassVar, NamedTuple, final

import torch
from torch import Tensor

from advlearn_envs.batched import NO_LIMIT, BatchedEnv, Range, observations_of

# A sphere with a radius of 3 cm and 1000 kg/m^3 on sliders with damping 1 N s/m; five steps of
# 10 ms for each action.
SECONDS, SUBSTEPS, DAMPING = 0.01, 5, 1.0
RADIUS, WALL = 0.03, 0.02
MASS = 4 / 3 * math.pi * RADIUS**3 * 1000
# Smallest distance between the centre of the mass and the centre line of a wall.
CLEAR = RADIUS + WALL
ORIGIN, CONTROL, NEAR, NUDGE = -0.1, 0.001, 0.1, 0.01


class Barrier(NamedTuple):
    """Centre line of a horizontal wall inside the box, in metres.

    Args:
        y: Position along y.
        left: Left end.
        right: Right end.
    """

    y: float
    left: float
    right: float


class Maze(BatchedEnv):
    """Move a point mass by a force towards a goal, in a closed box with barriers.

    With the force F clipped to [-1, 1] N on each axis, m = 0.113 kg and c = 1 N s/m: v' = (v + dt F
    / m) / (1 + dt c / m) and x' = x + dt v', five times in a step of 0.05 s, so the largest speed
    is 1 m/s on an axis. Walls are rigid and without friction, and remove the speed into them.
    Observations: the position (m). The reward is that of the state before the step, minus 0.001
    |F|^2 of the unclipped force. No state ends an episode. Subclasses define the size of the box,
    the barriers from the start to the goal, and the reward of a distance.
    """

    STATE = 4
    ACTIONS = Range((-1.0, -1.0), (1.0, 1.0))
    SHORTEST = NO_LIMIT
    SIZE: ClassVar[float]
    GOAL: ClassVar[tuple[float, float]]
    BARRIERS: ClassVar[tuple[Barrier, ...]]

    @abstractmethod
    def _reward(self, distance: Tensor) -> Tensor:
        """Return rewards (N,) float64 at distances (N,) from the goal."""

    def _draw(self) -> Tensor:
        place = self._zeros(2)
        place[0] = self.SIZE / 2
        return torch.cat((place, self._uniform(2, -NUDGE, NUDGE)))

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        force = actions.T.double()
        distance = (
            (state[0] - self.GOAL[0]).square_().add_((state[1] - self.GOAL[1]).square_()).sqrt_()
        )
        rewards = self._reward(distance).sub_(force.square().sum(0), alpha=CONTROL)
        gain = force.clamp(-1.0, 1.0).mul_(SECONDS / MASS)
        after = state.clone()
        place, speed = after[:2], after[2:]
        for _ in range(SUBSTEPS):
            speed.add_(gain).div_(1 + SECONDS * DAMPING / MASS)
            place.add_(speed, alpha=SECONDS)
            for barrier in self.BARRIERS:
                _push_out(place, speed, barrier)
            _keep_inside(place, speed, ORIGIN + CLEAR, self.SIZE - CLEAR)
        never = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        return after, rewards.to(torch.float32), never

    def _observe(self, state: Tensor) -> Tensor:
        return observations_of(state[:2])


class CShaped(Maze):
    """A box of 0.7 m with one barrier; the reward is minus the distance to the goal."""

    SIZE = 0.6
    LOW, HIGH = (ORIGIN, ORIGIN), (0.6, 0.6)
    GOAL = (0.3, 0.5)
    TIME_LIMIT = 100

    def _reward(self, distance: Tensor) -> Tensor:
        return distance.neg()


class SShaped(Maze):
    """A box of 1.3 m with two barriers; the reward is 1 within 0.1 m of the goal."""

    SIZE = 1.2
    LOW, HIGH = (ORIGIN, ORIGIN), (1.2, 1.2)
    GOAL = (0.6, 1.1)
    TIME_LIMIT = 200

    def _reward(self, distance: Tensor) -> Tensor:
        return (distance <= NEAR).double()


@final
class CMaze(CShaped):
    """Simulate the C-maze: a barrier from the left wall, passed on its right.

    The dynamics are those of `Maze`. The scripted expert gets -5.2; the paper's TRPO expert got
    -5.1.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 100.

    Example:
        >>> env = CMaze(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 2)).rewards
        tensor([-0.5000, -0.5000])

    Reference: Peng et al., "Variational Discriminator Bottleneck", 2019, section 5.2, with the maze
        of Fu, Luo and Levine, "Learning Robust Rewards with Adversarial Inverse Reinforcement
        Learning", 2018, section 7.1; its numbers are those of the latter's published environment.

    Deviations: contacts are rigid, those of MuJoCo are soft; the observation does not hold the
        constant height.
    """

    BARRIERS = (Barrier(0.3, ORIGIN, 0.4),)
    NAME = "CMaze-v0"


@final
class CMazeMirrored(CShaped):
    """Simulate the mirrored C-maze: a barrier from the right wall, passed on its left.

    The dynamics are those of `Maze`. The scripted expert gets -5.2.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 100.

    Example:
        >>> CMazeMirrored(2).reset()
        tensor([[0.3000, 0.0000], [0.3000, 0.0000]])

    Reference: as `CMaze`.

    Deviations: as `CMaze`. As in the published environment, the start is not in the middle of the
        box, so this gap is wider than that of `CMaze`.
    """

    BARRIERS = (Barrier(0.3, 0.2, 0.6),)
    NAME = "CMazeMirrored-v0"


@final
class SMaze(SShaped):
    """Simulate the S-maze: pass the lower barrier on the right and the upper one on the left.

    The dynamics are those of `Maze`. The scripted expert gets 149.9; the paper's TRPO expert got
    153.2.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 200.

    Example:
        >>> env = SMaze(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 2)).rewards
        tensor([0., 0.])

    Reference: Peng et al., "Variational Discriminator Bottleneck", 2019, section 5.2 and figure 7.

    Deviations: the paper gives no measures of this maze. Its returns (0 to 153, and slightly below
        0 for failures) suggest a reward of 1 at the goal minus the cost of the force over some 200
        steps, which is used here. The box is twice the C-maze's, and the barriers are placed so
        that the return of an expert is near that of the paper's expert.
    """

    BARRIERS = (Barrier(0.4, ORIGIN, 1.0), Barrier(0.8, 0.2, 1.2))
    NAME = "SMaze-v0"


@final
class SMazeMirrored(SShaped):
    """Simulate the S-maze with both barriers mirrored.

    The dynamics are those of `Maze`. The scripted expert gets 149.9.

    Args:
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 200.

    Example:
        >>> SMazeMirrored(2).reset()
        tensor([[0.6000, 0.0000], [0.6000, 0.0000]])

    Reference: as `SMaze`.

    Deviations: as `SMaze`.
    """

    BARRIERS = (Barrier(0.4, 0.2, 1.2), Barrier(0.8, ORIGIN, 1.0))
    NAME = "SMazeMirrored-v0"


def _push_out(place: Tensor, speed: Tensor, barrier: Barrier) -> None:
    """Move positions (2, N) out of a barrier and remove the velocity (2, N) into it, in place."""
    # A step of 10 ms moves the mass by at most 1.4 cm, so it never crosses the centre line.
    across = place[0] - place[0].clamp(barrier.left, barrier.right)
    up = place[1] - barrier.y
    distance = across.square().add_(up.square()).sqrt_().clamp_(min=1e-9)
    normal = torch.stack((across, up)).div_(distance)
    depth = distance.neg_().add_(CLEAR).clamp_(min=0)
    into = (speed * normal).sum(0).clamp_(max=0).mul_(depth > 0)
    speed.sub_(normal * into)
    place.add_(normal.mul_(depth))


def _keep_inside(place: Tensor, speed: Tensor, low: float, high: float) -> None:
    """Keep positions (2, N) in the box and remove the velocity (2, N) into walls, in place."""
    into = (place < low).logical_and_(speed < 0).logical_or_((place > high).logical_and_(speed > 0))
    speed.masked_fill_(into, 0.0)
    place.clamp_(low, high)
