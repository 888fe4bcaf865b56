"""Names of the environments and their registration with gymnasium, without importing torch."""

import importlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import torch

    from advlearn_envs.batched import BatchedEnv

NAMESPACE = "advlearn"


class Entry(NamedTuple):
    """Location and gymnasium metadata of an environment.

    Args:
        module: Module of this package.
        cls: Class in that module.
        time_limit: Steps after which an episode is truncated.
        solved: Mean return at which it counts as solved; None if gymnasium states none.
        needs: Package that it needs in addition to torch; None for no other.
    """

    module: str
    cls: str
    time_limit: int
    solved: float | None
    needs: str | None = None


ENTRIES = {
    "CartPole-v1": Entry("cartpole", "CartPole", 500, 475.0),
    "Pendulum-v1": Entry("pendulum", "Pendulum", 200, None),
    "MountainCar-v0": Entry("mountain_car", "MountainCar", 200, -110.0),
    "MountainCarContinuous-v0": Entry("mountain_car", "MountainCarContinuous", 999, 90.0),
    "Acrobot-v1": Entry("acrobot", "Acrobot", 500, -100.0),
    "CMaze-v0": Entry("maze", "CMaze", 100, None),
    "CMazeMirrored-v0": Entry("maze", "CMazeMirrored", 100, None),
    "SMaze-v0": Entry("maze", "SMaze", 200, None),
    "SMazeMirrored-v0": Entry("maze", "SMazeMirrored", 200, None),
    "Circles-v0": Entry("circles", "Circles", 128, None),
    "Hopper-v5": Entry("hopper", "Hopper", 1000, 3800.0, "mujoco"),
    "Hopper-v4": Entry("hopper", "HopperV4", 1000, 3800.0, "mujoco"),
    "HalfCheetah-v5": Entry("half_cheetah", "HalfCheetah", 1000, 4800.0, "mujoco"),
    "HalfCheetah-v4": Entry("half_cheetah", "HalfCheetahV4", 1000, 4800.0, "mujoco"),
    "Walker2d-v5": Entry("walker2d", "Walker2d", 1000, None, "mujoco"),
    "Walker2d-v4": Entry("walker2d", "Walker2dV4", 1000, None, "mujoco"),
    "Ant-v5": Entry("ant", "Ant", 1000, 6000.0, "mujoco"),
}


def available() -> dict[str, Entry]:
    """Return the entries whose packages are installed, without importing them.

    Example:
        >>> available()["CartPole-v1"].time_limit
        500
    """
    return {
        name: entry
        for name, entry in ENTRIES.items()
        if entry.needs is None or find_spec(entry.needs)
    }


def make(
    name: str,
    num_envs: int,
    *,
    device: "torch.device | str" = "cpu",
    seed: int = 0,
    time_limit: int | None = None,
) -> "BatchedEnv":
    """Return a batch of environments by name.

    Args:
        name: A name such as ``CartPole-v1``, with or without ``advlearn/``.
        num_envs: Environments in the batch N.
        device: Device of the state.
        seed: Seed of the private generator.
        time_limit: Steps after which an episode is truncated; None: the environment's own.

    Returns:
        The environment, not yet reset.

    Raises:
        ImportError: If the environment needs a package that is not installed.
        ValueError: If the name is unknown, or an argument is out of range.

    Example:
        >>> make("CartPole-v1", 3).reset().shape
        torch.Size([3, 4])
    """
    entry = ENTRIES.get(name.removeprefix(f"{NAMESPACE}/"))
    if entry is None:
        raise ValueError(f"name: expected one of {', '.join(ENTRIES)}, got {name!r}")
    cls = getattr(importlib.import_module(f"advlearn_envs.{entry.module}"), entry.cls)
    env: BatchedEnv = cls(num_envs, device=device, seed=seed, time_limit=time_limit)
    return env


def register() -> None:
    """Register every available environment with gymnasium as ``advlearn/NAME``.

    Nothing is registered if gymnasium is not installed.

    Example:
        >>> import gymnasium
        >>> register()
        >>> gymnasium.spec("advlearn/Acrobot-v1").max_episode_steps
        500
    """
    if find_spec("gymnasium") is None:
        return
    gymnasium: Any = importlib.import_module("gymnasium.envs.registration")
    for name, entry in available().items():
        # A second registration would warn.
        if f"{NAMESPACE}/{name}" not in gymnasium.registry:
            gymnasium.register(
                f"{NAMESPACE}/{name}",
                entry_point="advlearn_envs.single:make_single",
                vector_entry_point="advlearn_envs.vector:make_vector",
                max_episode_steps=entry.time_limit,
                reward_threshold=entry.solved,
                kwargs={"name": name},
            )
