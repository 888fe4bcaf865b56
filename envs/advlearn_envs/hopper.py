"""Hopper: hop forward on one leg without falling."""

import math
from typing import final

from advlearn_envs.batched import Range
from advlearn_envs.locomotion import Locomotion


class Hopping(Locomotion):
    """Base class of the versions; an episode ends below 0.7 m, beyond 0.2 rad or at |x| = 100."""

    STATE = 19
    LOW, HIGH = (-math.inf,) * 11, (math.inf,) * 11
    ACTIONS = Range((-1.0,) * 3, (1.0,) * 3)
    XML = "hopper.xml"
    JOINTS = 6
    BOUNDS = ((0.7, math.inf), (-0.2, 0.2)) + ((-100.0, 100.0),) * 9


@final
class Hopper(Hopping):
    """Simulate gymnasium's Hopper-v5, without a healthy reward on the last step.

    Rewards, observations and start states are those of `Locomotion`, with 1 for a healthy step.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Example:
        >>> import torch
        >>> env = Hopper(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 3)).observations.shape
        torch.Size([2, 11])

    Reference: gymnasium's `Hopper-v5`, model, constants and order of operations.

    Deviations: observations are float32 instead of float64. Start states are drawn by another
    generator, in float32.
    """

    FALLEN = 0.0
    NAME = "Hopper-v5"


@final
class HopperV4(Hopping):
    """Simulate gymnasium's Hopper-v4, with a healthy reward on the last step.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Example:
        >>> HopperV4(2).reset().shape
        torch.Size([2, 11])

    Reference: gymnasium's `Hopper-v4`.

    Deviations: as `Hopper`.
    """

    FALLEN = 1.0
    NAME = "Hopper-v4"
