"""Adapter from a batch to gymnasium's `VectorEnv`."""

from typing import Any, final

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from advlearn_envs.batched import BatchedEnv
from advlearn_envs.catalogue import make
from advlearn_envs.convert import actions_to, host, observations_from

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


@final
class GymnasiumVectorEnv(VectorEnv[Floats, Any, Any]):
    """Wrap a batch as gymnasium's `VectorEnv` in its mode SAME_STEP.

    When an episode ends, the observation is the first of the next episode. ``infos["final_obs"]``
    holds the last observation of the ended episode, and ``infos["_final_obs"]`` is True there.
    Tensors are converted to numpy arrays once in a step.

    Args:
        env: The batch.

    Example:
        >>> from advlearn_envs.cartpole import CartPole
        >>> envs = GymnasiumVectorEnv(CartPole(3))
        >>> envs.reset(seed=0)[0].shape
        (3, 4)
    """

    metadata = {"render_modes": [], "autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012 - gymnasium's own form

    def __init__(self, env: BatchedEnv) -> None:
        self.env = env
        self.num_envs = env.num_envs
        self.single_observation_space = env.observation_space
        self.single_action_space = env.action_space
        self.observation_space = batch_space(env.observation_space, env.num_envs)
        self.action_space = batch_space(env.action_space, env.num_envs)
        self._seeded = False

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Floats, dict[str, Any]]:
        """Start an episode in every environment.

        Args:
            seed: Seed of the whole batch; None continues, at first from entropy.
            options: Not used.

        Returns:
            Observations, float32 (N, O), and an empty dict.
        """
        super().reset(seed=seed)
        if seed is None and not self._seeded:
            seed = int(self.np_random.integers(2**31))
        self._seeded = True
        return observations_from(self.env.reset(seed)), {}

    def step(self, actions: Any) -> tuple[Floats, Floats, Bools, Bools, dict[str, Any]]:
        """Move every environment one step; see the class for ended episodes."""
        step = self.env.step(actions_to(self.env, np.asarray(actions)))
        terminated, truncated = host(step.terminated), host(step.truncated)
        ended = terminated | truncated
        infos: dict[str, Any] = {}
        if ended.any():
            final_obs = np.full(self.num_envs, None, dtype=object)
            final_observations = host(step.final_observations)
            for i in np.flatnonzero(ended):
                final_obs[i] = final_observations[i]
            infos = {
                "final_obs": final_obs,
                "_final_obs": ended,
                "final_info": {},
                "_final_info": ended.copy(),
            }
        return (
            observations_from(step.observations),
            host(step.rewards),
            terminated,
            truncated,
            infos,
        )


def make_vector(
    name: str, num_envs: int = 1, max_episode_steps: int | None = None, device: str = "cpu"
) -> GymnasiumVectorEnv:
    """Return a batch by name.

    Args:
        name: A name such as ``CartPole-v1``.
        num_envs: Environments in the batch N.
        max_episode_steps: Steps after which an episode is truncated; None: the environment's own.
        device: Device of the state.

    Returns:
        The environments.

    Example:
        >>> import gymnasium
        >>> gymnasium.make_vec("advlearn/Pendulum-v1", 5).reset(seed=0)[0].shape
        (5, 3)
    """
    return GymnasiumVectorEnv(make(name, num_envs, device=device, time_limit=max_episode_steps))
