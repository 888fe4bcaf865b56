"""Adapter from a batch of one environment to `gymnasium.Env`."""

from typing import Any, final

import gymnasium
import numpy as np
import torch
from numpy.typing import NDArray

from advlearn_envs.batched import NO_LIMIT, BatchedEnv
from advlearn_envs.catalogue import make
from advlearn_envs.convert import actions_to, host, observations_from

Observation = NDArray[np.float32]


@final
class GymnasiumEnv(gymnasium.Env[Any, Any]):
    """Wrap a batch of one environment as gymnasium's `Env`.

    Args:
        env: A batch of one environment.

    Raises:
        ValueError: If the batch has several environments.

    Example:
        >>> from advlearn_envs.cartpole import CartPole
        >>> observation, info = GymnasiumEnv(CartPole(1)).reset(seed=0)
        >>> observation.shape, info
        ((4,), {})
    """

    metadata = {"render_modes": []}  # noqa: RUF012 - gymnasium's own form

    def __init__(self, env: BatchedEnv) -> None:
        if env.num_envs != 1:
            raise ValueError(
                f"env: expected a batch of 1 environment, got {env.num_envs}; use "
                "GymnasiumVectorEnv"
            )
        self.env = env
        self.observation_space = env.observation_space
        self.action_space = env.action_space
        self.render_mode = None
        self._seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of this and the following episodes; None continues, at first from entropy.
            options: Not used.

        Returns:
            The observation, float32 (O,), and an empty dict.
        """
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**31))
        self._seeded = True
        return observations_from(self.env.reset(seed))[0], {}

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Move one step; call `reset` after an episode has ended."""
        actions = actions_to(self.env, np.asarray(action)[None])
        step = self.env.step(actions)
        final = observations_from(step.final_observations)[0]
        # One copy from the device for three values.
        reward, terminated, truncated = host(
            torch.cat((step.rewards, step.terminated, step.truncated))
        )
        return final, float(reward), bool(terminated), bool(truncated), {}


def make_single(name: str, device: str = "cpu") -> GymnasiumEnv:
    """Return one environment by name without a time limit, since `gymnasium.make` adds one.

    Args:
        name: A name such as ``CartPole-v1``.
        device: Device of the state.

    Returns:
        The environment.

    Example:
        >>> import gymnasium
        >>> gymnasium.make("advlearn/Pendulum-v1").reset(seed=0)[0].shape
        (3,)
    """
    return GymnasiumEnv(make(name, 1, device=device, time_limit=NO_LIMIT))
