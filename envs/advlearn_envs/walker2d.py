"""Walker2d: walk forward on two legs without falling."""

import math
from typing import final

from advlearn_envs.batched import Range
from advlearn_envs.locomotion import Locomotion


class Walking(Locomotion):
    """Base class of the versions; an episode ends outside 0.8 to 2 m or beyond 1 rad."""

    STATE = 28
    LOW, HIGH = (-math.inf,) * 17, (math.inf,) * 17
    ACTIONS = Range((-1.0,) * 6, (1.0,) * 6)
    JOINTS = 9
    BOUNDS = ((0.8, 2.0), (-1.0, 1.0))


@final
class Walker2d(Walking):
    """Simulate gymnasium's Walker2d-v5: equal feet, no healthy reward on the last step.

    Rewards, observations and start states are those of `Locomotion`, with 1 for a healthy step.

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Example:
        >>> import torch
        >>> env = Walker2d(2)
        >>> _ = env.reset()
        >>> env.step(torch.zeros(2, 6)).observations.shape
        torch.Size([2, 17])

    Reference: gymnasium's `Walker2d-v5`, model, constants and order of operations.

    Deviations: observations are float32 instead of float64. Start states are drawn by another
    generator, in float32.
    """

    XML = "walker2d_v5.xml"
    FALLEN = 0.0
    NAME = "Walker2d-v5"


@final
class Walker2dV4(Walking):
    """Simulate gymnasium's Walker2d-v4: half the friction at the right foot (0.9, not 1.9).

    Args:
        num_envs: Environments in the batch N.
        device: A CPU, or an NVIDIA GPU with MuJoCo Warp.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: 1000.

    Example:
        >>> Walker2dV4(2).reset().shape
        torch.Size([2, 17])

    Reference: gymnasium's `Walker2d-v4`.

    Deviations: as `Walker2d`.
    """

    XML = "walker2d.xml"
    FALLEN = 1.0
    NAME = "Walker2d-v4"
