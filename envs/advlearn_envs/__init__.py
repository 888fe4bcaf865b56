"""Environments that step as one batch of tensors on a CPU or a GPU.

`import advlearn_envs` registers the ids ``advlearn/...`` with gymnasium, if it is installed. It
imports neither torch nor stable-baselines3.
``gymnasium.make("advlearn_envs:advlearn/CartPole-v1")`` works without an import.
"""

import importlib
from typing import TYPE_CHECKING, Any

from advlearn_envs.catalogue import make, register

if TYPE_CHECKING:
    from advlearn_envs.acrobot import Acrobot
    from advlearn_envs.ant import Ant
    from advlearn_envs.batched import BatchedEnv, Step
    from advlearn_envs.cartpole import CartPole
    from advlearn_envs.circles import Circles
    from advlearn_envs.experts import record
    from advlearn_envs.half_cheetah import HalfCheetah, HalfCheetahV4
    from advlearn_envs.hopper import Hopper, HopperV4
    from advlearn_envs.maze import CMaze, CMazeMirrored, SMaze, SMazeMirrored
    from advlearn_envs.mountain_car import MountainCar, MountainCarContinuous
    from advlearn_envs.pendulum import Pendulum
    from advlearn_envs.sb3 import StableBaselinesVecEnv
    from advlearn_envs.single import GymnasiumEnv
    from advlearn_envs.vector import GymnasiumVectorEnv
    from advlearn_envs.walker2d import Walker2d, Walker2dV4

__all__ = [
    "Acrobot",
    "Ant",
    "BatchedEnv",
    "CMaze",
    "CMazeMirrored",
    "CartPole",
    "Circles",
    "GymnasiumEnv",
    "GymnasiumVectorEnv",
    "HalfCheetah",
    "HalfCheetahV4",
    "Hopper",
    "HopperV4",
    "MountainCar",
    "MountainCarContinuous",
    "Pendulum",
    "SMaze",
    "SMazeMirrored",
    "StableBaselinesVecEnv",
    "Step",
    "Walker2d",
    "Walker2dV4",
    "make",
    "record",
    "register",
]

_MODULES = {
    "Acrobot": "acrobot",
    "Ant": "ant",
    "BatchedEnv": "batched",
    "CMaze": "maze",
    "CMazeMirrored": "maze",
    "CartPole": "cartpole",
    "Circles": "circles",
    "GymnasiumEnv": "single",
    "GymnasiumVectorEnv": "vector",
    "HalfCheetah": "half_cheetah",
    "HalfCheetahV4": "half_cheetah",
    "Hopper": "hopper",
    "HopperV4": "hopper",
    "MountainCar": "mountain_car",
    "MountainCarContinuous": "mountain_car",
    "Pendulum": "pendulum",
    "SMaze": "maze",
    "SMazeMirrored": "maze",
    "StableBaselinesVecEnv": "sb3",
    "Step": "batched",
    "Walker2d": "walker2d",
    "Walker2dV4": "walker2d",
    "record": "experts",
}


def __getattr__(name: str) -> Any:
    # Imported on first use, so that registering the ids does not import torch.
    if name not in _MODULES:
        raise AttributeError(f"module 'advlearn_envs' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"advlearn_envs.{_MODULES[name]}"), name)
    globals()[name] = value
    return value


register()
