# pyright: standard
# The type annotations of SB3 lack parameters, which strict checking refuses.
"""Adapter from a batch to the `VecEnv` of stable-baselines3 (SB3)."""

from collections.abc import Iterable
from typing import Any, final

import gymnasium
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvStepReturn
from torch import Tensor

from advlearn_envs.batched import BatchedEnv
from advlearn_envs.convert import actions_to, host, observations_from


@final
class StableBaselinesVecEnv(VecEnv):
    """Wrap a batch as SB3's `VecEnv`; wrap it in `VecMonitor` for episode statistics.

    When an episode ends, the info of its environment holds ``terminal_observation`` and
    ``TimeLimit.truncated``; all other infos are empty. Tensors are converted to numpy arrays once
    in a step. `seed` takes effect at the next reset and seeds the whole batch. `env` is the batch,
    for `state_dict`.

    Args:
        env: The batch.

    Example:
        >>> from advlearn_envs.cartpole import CartPole
        >>> StableBaselinesVecEnv(CartPole(3)).reset().shape
        (3, 4)
    """

    def __init__(self, env: BatchedEnv) -> None:
        self.env = env
        self._actions: Tensor | None = None
        super().__init__(env.num_envs, env.observation_space, env.action_space)

    def reset(self) -> NDArray[np.float32]:
        """Start an episode in every environment; return observations, float32 (N, O)."""
        observations = observations_from(self.env.reset(self._seeds[0]))
        # A seed of SB3 is used once.
        self._reset_seeds()
        self._reset_options()
        return observations

    def step_async(self, actions: NDArray[Any]) -> None:
        """Store the actions of the next step."""
        self._actions = actions_to(self.env, actions)

    def step_wait(self) -> VecEnvStepReturn:
        """Step the batch; return observations (N, O), rewards (N,), dones (N,) and N infos."""
        if self._actions is None:
            raise RuntimeError("step_wait: expected actions, got none; call step_async first")
        step, self._actions = self.env.step(self._actions), None
        terminated = host(step.terminated)
        dones = terminated | host(step.truncated)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        if dones.any():
            final_observations = host(step.final_observations)
            for i in np.flatnonzero(dones):
                infos[i]["terminal_observation"] = final_observations[i]
                infos[i]["TimeLimit.truncated"] = not terminated[i]
        return observations_from(step.observations), host(step.rewards), dones, infos

    def close(self) -> None:
        """Do nothing, since a batch holds only tensors."""

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """Return an attribute of the batch, once per requested environment."""
        value = None if attr_name == "render_mode" else getattr(self.env, attr_name)
        return [value for _ in self._chosen(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Raise an error, since environments of a batch differ only in their state.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(
            f"attr_name: expected none, since environments of a batch share all attributes, got "
            f"{attr_name!r}; set it on the batch"
        )

    def env_method(
        self,
        method_name: str,
        *method_args: Any,
        indices: VecEnvIndices = None,
        **method_kwargs: Any,
    ) -> list[Any]:
        """Raise an error, since environments of a batch have no separate methods.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(
            f"method_name: expected none, since environments of a batch have no separate methods, "
            f"got {method_name!r}; call it on the batch"
        )

    def env_is_wrapped(
        self,
        wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]],
        indices: VecEnvIndices = None,
    ) -> list[bool]:
        """Return False for each environment, since a batch has no inner wrappers."""
        return [False for _ in self._chosen(indices)]

    def _chosen(self, indices: VecEnvIndices) -> Iterable[int]:
        return self._get_indices(indices)
