"""HalfCheetah: run forward on two legs; no state ends an episode."""

import math
from typing import final

import torch
from torch import Tensor

from advlearn_envs.batched import NO_LIMIT, Range
from advlearn_envs.locomotion import Locomotion


class Running(Locomotion):
    """Base class of the versions; start velocities are normally distributed."""

    STATE = 28
    LOW, HIGH = (-math.inf,) * 17, (math.inf,) * 17
    ACTIONS = Range((-1.0,) * 6, (1.0,) * 6)
    SHORTEST = NO_LIMIT
    XML = "half_cheetah.xml"
    FRAME_SKIP = 5
    JOINTS = 9
    BOUNDS = ()
    HEALTHY, FALLEN = 0.0, 0.0
    COST = 0.1
    NOISE = 0.1
    FASTEST = math.inf

    def _speeds(self) -> Tensor:
        drawn = torch.empty(self.JOINTS, self.num_envs, device=self.device)
        return drawn.normal_(0.0, self.NOISE, generator=self.generator).double()


@final
class HalfCheetah(Running):
    """Simulate gymnasium's HalfCheetah-v5.

    Rewards, observations and start states are those of `Locomotion`; the action costs 0.1 |a|^2,
    and there is no healthy reward.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Example:
        >>> env = HalfCheetah(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 6)).observations.shape
        torch.Size([2, 17])

    Reference: gymnasium's `HalfCheetah-v5`, model, constants and order of operations.

    Deviations: observations are float32 instead of float64. Start states are drawn by another
    generator, in float32.
    """

    NAME = "HalfCheetah-v5"


@final
class HalfCheetahV4(Running):
    """Simulate gymnasium's HalfCheetah-v4, whose numbers equal those of `HalfCheetah`.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Example:
        >>> HalfCheetahV4(2).reset().shape
        torch.Size([2, 17])

    Reference: gymnasium's `HalfCheetah-v4`.

    Deviations: as `HalfCheetah`.
    """

    NAME = "HalfCheetah-v4"
