"""Convert between tensors on a device and numpy arrays on the host."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from advlearn_envs.batched import BatchedEnv, Choice


def host(tensor: Tensor) -> NDArray[Any]:
    """Convert a tensor to an array, without a copy where possible."""
    return tensor.cpu().numpy()


def observations_from(tensor: Tensor) -> NDArray[np.float32]:
    """Return observations (N, O) as a float32 array."""
    return host(tensor)


def actions_to(env: BatchedEnv, actions: NDArray[Any]) -> Tensor:
    """Convert actions to the tensor that `env` expects.

    A discrete action out of range is refused here, since checking values on the host is cheap.

    Args:
        env: The batch.
        actions: Array (N,) of whole numbers, or (N, A) of any float type.

    Returns:
        int64 (N,) or float32 (N, A) on the environment's device.

    Raises:
        ValueError: If discrete actions are not whole numbers or are out of range.
    """
    if not isinstance(env.ACTIONS, Choice):
        return torch.as_tensor(np.asarray(actions, np.float32), device=env.device)
    if actions.dtype.kind not in "iu":
        raise ValueError(f"actions: expected whole numbers, got {actions.dtype}")
    if actions.size and not 0 <= actions.min() <= actions.max() < env.ACTIONS.n:
        raise ValueError(
            f"actions: expected 0 to {env.ACTIONS.n - 1}, got {actions.min()} to {actions.max()}"
        )
    return torch.as_tensor(np.asarray(actions, np.int64), device=env.device)
