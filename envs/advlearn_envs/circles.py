"""Circles: drive in circles of several radii, for multimodal demonstrations."""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import NO_LIMIT, BatchedEnv, Range, observations_of

SPEED, HISTORY, SPREAD = 0.05, 5, 0.01


@final
class Circles(BatchedEnv):
    """Move a point in the plane at constant speed, in the direction of the action.

    p' = p + 0.05 a / |a|, clipped to three times the largest radius. The observation is the last
    five positions, oldest first; at first the start is repeated. All circles pass through the start
    and lead to the right, so the first positions do not reveal the circle of a demonstration. The
    centre of a circle is above the start for a positive radius, and below it for a negative one.
    The reward, for evaluation only, is minus the distance to the nearest circle: it is near 0 for
    any mixture of the circles, and `radial_errors` identifies the circle. No state ends an episode.

    Args:
        num_envs: Environments in the batch N.
        radii: Signed radii of the K circles; none is 0.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 128, one turn of the circle of
            radius 1.

    Raises:
        ValueError: If there is no radius, or one is 0.

    Example:
        >>> env = Circles(2)
        >>> env.reset().shape
        torch.Size([2, 10])
        >>> env.step(torch.tensor([[1.0, 0.0], [0.0, 2.0]])).rewards.shape
        torch.Size([2])

    Reference: Li, Song and Ermon, "InfoGAIL: Interpretable Imitation Learning from Visual
        Demonstrations", 2017, section 5.1.

    Deviations: the paper gives no numbers for speed, radii, length and start, and no reward; those
        here are a choice. An action of 0 does not move the point. The plane is bounded, so that
        observations are bounded.
    """

    STATE = 2 * HISTORY
    ACTIONS = Range((-1.0, -1.0), (1.0, 1.0))
    TIME_LIMIT = 128
    SHORTEST = NO_LIMIT
    NAME = "Circles-v0"

    def __init__(
        self,
        num_envs: int,
        radii: Sequence[float] = (1.0, 0.5, -0.5),
        *,
        device: torch.device | str = "cpu",
        seed: int = 0,
        time_limit: int | None = None,
    ) -> None:
        super().__init__(num_envs, device=device, seed=seed, time_limit=time_limit)
        if not radii or not all(radii):
            raise ValueError(
                f"radii: expected one or more numbers other than 0, got {tuple(radii)}"
            )
        self.radii = tuple(float(radius) for radius in radii)
        self.edge = 3 * max(abs(radius) for radius in self.radii)
        self._radii = torch.tensor(self.radii, dtype=torch.float64, device=self.device)[:, None]
        self.LOW, self.HIGH = (-self.edge,) * self.STATE, (self.edge,) * self.STATE

    def radial_errors(self, positions: Tensor) -> Tensor:
        """Return the distance of positions from each circle.

        Args:
            positions: (..., 2), on the environment's device.

        Returns:
            (..., K) | |p - c_k| - |r_k| |; the smallest mean over an episode identifies its circle.

        Example:
            >>> Circles(1).radial_errors(torch.tensor([0.0, 1.0]))
            tensor([1., 0., 1.])
        """
        radii = self._radii[:, 0].to(positions.dtype)
        across, up = positions[..., :1], positions[..., 1:] - radii
        return (across.square() + up.square()).sqrt().sub(radii.abs()).abs()

    def _draw(self) -> Tensor:
        return self._uniform(2, -SPREAD, SPREAD).repeat(HISTORY, 1)

    def _advance(self, state: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        direction = actions.T.double()
        length = direction.square().sum(0).sqrt_().clamp_(min=1e-12)
        place = torch.add(state[-2:], direction.div_(length), alpha=SPEED).clamp_(
            -self.edge, self.edge
        )
        error = (
            (place[0].square() + (place[1] - self._radii).square_())
            .sqrt_()
            .sub_(self._radii.abs())
            .abs_()
        )
        never = torch.zeros(self.num_envs, dtype=torch.bool, device=self.device)
        return torch.cat((state[2:], place)), error.amin(0).neg_().to(torch.float32), never

    def _observe(self, state: Tensor) -> Tensor:
        return observations_of(state)


def turn(radius: Tensor) -> Tensor:
    """Return the angle (N,) by which one step moves along circles of signed radii (N,), radians."""
    return 2 * (SPEED / 2 / radius.abs()).clamp(max=1.0).asin() * radius.sign()


def drive(position: Tensor, radius: Tensor) -> Tensor:
    """Return the direction from positions to the next point of their circles.

    Args:
        position: (N, 2), metres.
        radius: (N,) signed radii.

    Returns:
        Angles (N,) of the direction, radians.

    Example:
        >>> drive(torch.zeros(1, 2), torch.ones(1)).abs() < 0.03
        tensor([True])
    """
    x, y = position[:, 0], position[:, 1] - radius
    ahead = torch.atan2(y, x) + turn(radius)
    return torch.atan2(radius.abs() * ahead.sin() - y, radius.abs() * ahead.cos() - x)
