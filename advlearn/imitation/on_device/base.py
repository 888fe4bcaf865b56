"""What an algorithm whose rollouts stay on the device does with its environments."""

from typing import Any, cast

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from advlearn.imitation.on_device.environment import Batch, DeviceRecording, EpisodeCounter, vec_env
from advlearn.imitation.on_device.iteration import figures_by_name


class OnDevice(PPO):
    """Step a batch of environments on its device, and record what it returns.

    `DevicePPO` adds the rollouts and the passes.
    """

    _bounds: tuple[Tensor, Tensor] | None

    @property
    def batch(self) -> Batch:
        """The batch that `collect_rollouts` steps, with its wrappers."""
        return cast(Any, self.env).env

    def record(self) -> DeviceRecording:
        """Record the steps and return rewards of zero until `unrecord` is called.

        Episode returns are still those of the true reward.
        """
        recording = DeviceRecording(self._counted)
        cast(Any, self.env).env = recording
        return recording

    def unrecord(self) -> None:
        """Stop recording, and return the environments' own rewards again."""
        cast(Any, self.env).env = self._counted

    def set_env(self, env: Batch | VecEnv, force_reset: bool = True) -> None:  # type: ignore[override]
        """Use another batch with the same number of environments.

        Raises:
            TypeError: See the class.
            ValueError: See the class.
        """
        venv: Any = vec_env(env)
        check_device(venv.env.device, self.device)
        super().set_env(venv, force_reset)

    def _note_episodes(self) -> None:
        cast(Any, self.ep_info_buffer).extend(self._counted.take(self._stats_window_size))

    def _clipped(self, actions: Tensor) -> Tensor:
        """Clip actions to the bounds of the environment."""
        return actions if self._bounds is None else actions.clamp(*self._bounds)

    @property
    def _counted(self) -> EpisodeCounter:
        batch = self.batch
        return cast(EpisodeCounter, batch.batch if isinstance(batch, DeviceRecording) else batch)

    def _log(self, figures: list[float]) -> None:
        for name, value in figures_by_name(figures, self.policy).items():
            self.logger.record(f"train/{name}", value)

    def _refuse_odd(self, odd: int) -> None:
        """Refuse log-probabilities that are not finite, by their number."""
        if odd:
            raise ValueError(
                f"policy: expected finite log-probabilities, got NaN or infinity in {odd} of "
                f"{self.n_steps * self.n_envs}; the policy diverged: lower learning_rate"
            )

    def _maybe_recommend_cpu(self, mlp_class_name: str = "ActorCriticPolicy") -> None:
        """Print no advice to use the CPU, which holds for rollouts in numpy only."""

    def _excluded_save_params(self) -> list[str]:
        # Tensors of a GPU do not load without one, and plain PPO chooses its own buffer.
        names = ["_bounds", "_last_obs", "_last_episode_starts", "rollout_buffer_class"]
        names += ["_iteration", "_fixed_devices", "capture"]
        return [*super()._excluded_save_params(), *names]

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return vec_env(env)


def check_device(env: torch.device, policy: torch.device | str) -> None:
    """Refuse an environment on another device than the policy."""
    # An empty tensor gives the index that "cuda" leaves out.
    expected = torch.empty(0, device=policy).device
    if env != expected:
        raise ValueError(
            f"env: expected one on {expected}, the device of the policy, got one on {env}; pass "
            "the same device to both"
        )
