"""Let several processes imitate together: what they join, and what each has for itself."""

from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, Final, cast

import torch
from stable_baselines3 import A2C, PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.logger import Logger
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor, nn

from advlearn.core import distributed
from advlearn.imitation.on_device.ppo import DevicePPO
from advlearn.imitation.on_device.update import share_policy, standardised
from advlearn.imitation.sb3.making import scale_of
from advlearn.imitation.sb3.replacing import replaced
from advlearn.training import launch, rng

NAMES: Final = ("ppo", "a2c")
CLASSES: Final = (PPO, A2C, DevicePPO)

# Between the seeds of two processes; more than any number of environments.
_APART: Final = 15_485_863


def refuse_separate(
    algorithm: str | BaseAlgorithm,
    env: str | VecEnv | None,
    callbacks: Sequence[BaseCallback],
) -> None:
    """Refuse what several processes cannot join, before they meet; one process may do all.

    Args:
        algorithm: The algorithm, or its name.
        env: The environment of an algorithm by name.
        callbacks: Callbacks of the user.

    Raises:
        ValueError: If processes would train apart, or one could stop without the others.

    Example:
        >>> refuse_separate("sac", "Pendulum-v1", ())  # in one process
    """
    count = launch.processes()
    if count == 1:
        return
    if callbacks:
        raise ValueError(
            f"callbacks: expected none in {count} processes, since one that stops its process "
            f"would leave the others waiting, got {len(callbacks)}; leave them out, or use "
            "evaluate= and save_every="
        )
    known = algorithm in NAMES if isinstance(algorithm, str) else type(algorithm) in CLASSES
    if not known:
        name = repr(algorithm) if isinstance(algorithm, str) else type(algorithm).__name__
        raise ValueError(
            f"algorithm: expected 'ppo', 'a2c', or an object of PPO, A2C or DevicePPO in {count} "
            f"processes, which join their updates, got {name}; use one of them, or one process"
        )
    if isinstance(algorithm, BaseAlgorithm):
        _refuse_object(algorithm, count)
        env = algorithm.get_env()
    if isinstance(env, VecEnv) and scale_of(env) is not None:
        raise ValueError(
            f"env: expected none in VecNormalize in {count} processes, since each would scale by "
            "the observations in its own environments, got one; leave it out, or use one process"
        )


def _refuse_object(algorithm: BaseAlgorithm, count: int) -> None:
    """Refuse an algorithm object whose updates cannot be joined."""
    # An algorithm on "cuda" was built on the current device, the first one unless it was set.
    place = torch.device(algorithm.device)
    if place.type == "cuda" and place.index is None:
        place = next(algorithm.policy.parameters()).device
    launch.check_local_rank(
        "algorithm",
        place,
        'build it, and a batched environment, on the device of launched("cuda"); see '
        "docs/cluster.md",
    )
    limit = getattr(algorithm, "target_kl", None)
    if limit is not None and not isinstance(algorithm, DevicePPO):
        raise ValueError(
            f"target_kl: expected None with {type(algorithm).__name__} in {count} processes, since "
            f"each would stop its passes by itself, got {limit}; use DevicePPO, which stops all "
            "together, or None"
        )
    kinds = nn.modules.batchnorm._BatchNorm
    if any(isinstance(part, kinds) for part in algorithm.policy.modules()):
        raise ValueError(
            f"policy: expected no batch normalisation in {count} processes, since each would use "
            "statistics over its own rollout, got one that has it; use layer normalisation"
        )


def device_of(algorithm: str | BaseAlgorithm, device: torch.device | str | None) -> Any:
    """Return the device on which a process trains, for `launch.start`."""
    if isinstance(algorithm, BaseAlgorithm):
        return algorithm.device
    return "cpu" if device is None else device


def own_seed(seed: int) -> int:
    """Return the seed of this process for its environments and its draws.

    Example:
        >>> own_seed(3)  # of the first process
        3
    """
    return (seed + distributed.rank() * _APART) % 2**31


def begin(algorithm: BaseAlgorithm, seed: int) -> None:
    """Share the first policy, and give each process its own environments and draws.

    Args:
        algorithm: The algorithm; with one process nothing changes.
        seed: The run's seed.
    """
    if distributed.world_size() == 1:
        return
    share_policy(cast(Any, algorithm.policy))
    rng.seed_all(own_seed(seed))
    cast(VecEnv, algorithm.env).seed(own_seed(seed))


@contextmanager
def joined(algorithm: BaseAlgorithm) -> Generator[None]:
    """Join the passes of all processes in the block, and let only the first one write logs.

    `DevicePPO` joins its passes itself. For the others, the rollout buffer yields advantages that
    are standardised over the minibatches of all processes, and each gradient is averaged as soon as
    it is computed, before it is clipped.

    Args:
        algorithm: The algorithm; with one process nothing changes.
    """
    if distributed.world_size() == 1:
        yield
        return
    with ExitStack() as stack:
        if not isinstance(algorithm, DevicePPO):
            stack.enter_context(_joined_minibatches(algorithm))
        if distributed.rank() > 0:
            stack.enter_context(_without_log(algorithm))
        yield


def _joined_minibatches(algorithm: Any) -> Any:
    """Replace `get` of the rollout buffer in a block."""
    buffer = algorithm.rollout_buffer
    separate = buffer.get

    def get(batch_size: int | None = None) -> Iterator[Any]:
        standardise, algorithm.normalize_advantage = algorithm.normalize_advantage, False
        hooks = [
            parameter.register_post_accumulate_grad_hook(_average)
            for parameter in algorithm.policy.parameters()
            if parameter.requires_grad
        ]
        try:
            for batch in separate(batch_size):
                advantages = batch.advantages
                if standardise and len(advantages) > 1:
                    advantages = standardised(advantages)
                yield batch._replace(advantages=advantages)
        finally:
            algorithm.normalize_advantage = standardise
            for hook in hooks:
                hook.remove()

    return replaced(buffer, get=get)


def _average(parameter: Tensor) -> None:
    if parameter.grad is not None:
        parameter.grad.copy_(distributed.mean(parameter.grad))


@contextmanager
def _without_log(algorithm: Any) -> Generator[None]:
    """Write no log of the algorithm in the block."""
    names = ("_logger", "_custom_logger")
    before = {name: vars(algorithm)[name] for name in names if name in vars(algorithm)}
    algorithm.set_logger(Logger(None, []))
    try:
        yield
    finally:
        for name in names:
            vars(algorithm).pop(name, None)
        vars(algorithm).update(before)
