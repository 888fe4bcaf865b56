"""PPO of stable-baselines3 whose rollouts stay on the device."""

from typing import Any, cast, final

import torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from advlearn.imitation.on_device.actions import resident
from advlearn.imitation.on_device.buffer import DeviceRolloutBuffer
from advlearn.imitation.on_device.environment import Batch, DeviceRecording, EpisodeCounter, vec_env


@final
class DevicePPO(PPO):
    r"""PPO on a batch of environments: observations, actions and rewards are tensors on the batch's device throughout.

    No value is copied to the host inside a step. Where a time limit cut an episode, the value of
    its last observation is added to the reward, for all steps of a rollout at once after the last
    one:

    .. math:: r_t \leftarrow r_t + \gamma V(o'_t) \quad \text{where cut and not terminated}

    A policy, its hyper-parameters and the file that `save` writes are PPO's: ``PPO.load`` reads it,
    and `load` reads PPO's. The arguments are those of PPO that make sense here, each with PPO's
    default; gSDE and another buffer do not.

    In a callback, `locals` holds tensors, at each step as at the end of a rollout; reading a value
    of one at each step costs what this class saves. ``infos`` is there and empty. Episodes are
    counted here as by `VecMonitor`. A run of `imitate` with `out` goes on exactly, as with PPO.

    Args:
        policy: ``"MlpPolicy"`` or a class of actor-critic policies.
        env: A `BatchedEnv`, or a `StableBaselinesVecEnv` around one; None only to load and predict.
        learning_rate: Adam's rate, or a function of what remains of the run.
        n_steps: Steps of each environment in a rollout.
        batch_size: Size of a minibatch.
        n_epochs: Passes over a rollout.
        gamma: Discount.
        gae_lambda: Lambda of the advantages.
        clip_range: How far the ratio of probabilities may go from 1.
        clip_range_vf: How far a value may go from the old one; None for any distance.
        normalize_advantage: Standardise the advantages of a minibatch.
        ent_coef: Weight of the entropy.
        vf_coef: Weight of the value's loss.
        max_grad_norm: Largest norm of a gradient.
        target_kl: Divergence at which the passes over a rollout stop; None for never.
        stats_window_size: Episodes that the statistics keep.
        tensorboard_log: Folder of the log.
        policy_kwargs: Arguments of the policy.
        verbose: How much is said.
        seed: Seeds the global generators and the environments.
        device: Device of the policy; ``"auto"`` is the environment's.

    Raises:
        TypeError: Another environment, wrappers such as `VecNormalize` included; a policy with
        other distributions.
        ValueError: Observations that are no vectors; an environment on another device than the
            policy; a file of a PPO with gSDE; a log-probability in a rollout that is not finite.

    Example:
        >>> from advlearn_envs import CartPole
        >>> player = DevicePPO(
        ...     "MlpPolicy", CartPole(4), n_steps=8, batch_size=16, n_epochs=1, seed=0
        ... )
        >>> player.learn(64).num_timesteps
        64
        >>> player.rollout_buffer.observations.shape
        torch.Size([8, 4, 4])

    Reference: Schulman et al., "Proximal Policy Optimization Algorithms", 2017.

    Deviations:
        From stable-baselines3: minibatches are drawn by torch; the numbers that its distributions
        check at each call are checked once a rollout; `get_env` gives an adapter of this class
        around the same batch.
    """

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: Batch | VecEnv | None,
        learning_rate: float | Schedule = 3e-4,
        n_steps: int = 2048,
        batch_size: int = 64,
        n_epochs: int = 10,
        gamma: float = 0.99,
        gae_lambda: float = 0.95,
        clip_range: float | Schedule = 0.2,
        clip_range_vf: float | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: float = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: int | None = None,
        device: torch.device | str = "auto",
        _init_setup_model: bool = True,  # `load` of stable-baselines3 gives it
    ) -> None:
        if isinstance(policy, str) and policy != "MlpPolicy":
            raise ValueError(
                f"policy: expected 'MlpPolicy' or a class, since observations are vectors, got {policy!r}"
            )
        venv: Any = None if env is None else vec_env(env)
        if venv is not None:
            device = venv.env.device if device == "auto" else device
            _same(venv.env.device, device)
        super().__init__(
            policy,
            cast(Any, venv),
            learning_rate=learning_rate,
            n_steps=n_steps,
            batch_size=batch_size,
            n_epochs=n_epochs,
            gamma=gamma,
            gae_lambda=gae_lambda,
            clip_range=clip_range,
            clip_range_vf=clip_range_vf,
            normalize_advantage=normalize_advantage,
            ent_coef=ent_coef,
            vf_coef=vf_coef,
            max_grad_norm=max_grad_norm,
            target_kl=target_kl,
            stats_window_size=stats_window_size,
            tensorboard_log=tensorboard_log,
            policy_kwargs=policy_kwargs,
            verbose=verbose,
            seed=seed,
            device=device,
            _init_setup_model=_init_setup_model,
        )

    @property
    def batch(self) -> Batch:
        """What `collect_rollouts` steps: the environments, counted and maybe recorded."""
        return cast(Any, self.env).env

    def record(self) -> DeviceRecording:
        """Pay rewards of zero from now on, and remember the steps; episodes are still counted by the true reward."""
        recording = DeviceRecording(self._counted)
        cast(Any, self.env).env = recording
        return recording

    def unrecord(self) -> None:
        """Pay the environments' own rewards again, and remember nothing."""
        cast(Any, self.env).env = self._counted

    def set_env(self, env: Batch | VecEnv, force_reset: bool = True) -> None:  # type: ignore[override]
        """Go on with another batch of as many environments.

        Raises:
            TypeError: As the class.
            ValueError: As the class.
        """
        venv: Any = vec_env(env)
        _same(venv.env.device, self.device)
        super().set_env(venv, force_reset)

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer with a rollout; False if a callback stopped it."""
        self.policy.set_training_mode(False)
        rollout_buffer.reset()
        callback.on_rollout_start()
        # What stable-baselines3 reset is numpy: once a call of `learn`.
        obs_tensor = torch.as_tensor(cast(Any, self._last_obs), device=self.device)
        dones = torch.as_tensor(cast(Any, self._last_episode_starts), device=self.device)
        cut: list[tuple[Tensor, Tensor]] = []
        infos: list[dict[str, Any]] = [{}] * env.num_envs
        for n_steps in range(n_rollout_steps):  # noqa: B007 (callbacks read it)
            with torch.no_grad():
                actions, values, log_probs = self.policy(obs_tensor)
            clipped_actions = self._clipped(actions)
            step = self.batch.step(clipped_actions)
            new_obs, rewards, starts, dones = (
                step.observations,
                step.rewards,
                dones,
                step.terminated | step.truncated,
            )
            self.num_timesteps += env.num_envs
            callback.update_locals(locals())
            if not callback.on_step():
                self._note_episodes()
                return False
            cast(Any, rollout_buffer).add(obs_tensor, actions, rewards, starts, values, log_probs)
            cut.append((step.truncated & ~step.terminated, step.final_observations))
            obs_tensor = new_obs
            self._last_obs, self._last_episode_starts = cast(Any, obs_tensor), cast(Any, dones)
        values = self._finish(cast(DeviceRolloutBuffer, rollout_buffer), cut, obs_tensor, dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    @torch.no_grad()
    def _finish(
        self,
        buffer: DeviceRolloutBuffer,
        cut: list[tuple[Tensor, Tensor]],
        obs: Tensor,
        dones: Tensor,
    ) -> Tensor:
        """What is left when the last step is made, where the host may wait; returns the values behind it."""
        odd = int((~buffer.log_probs.isfinite()).sum())
        if odd:
            raise ValueError(
                f"policy: {odd} of {buffer.log_probs.numel()} log-probabilities are not finite: diverged"
            )
        # Rows that were cut are few, so finding them costs less than the value of every last
        # observation.
        where = torch.stack([here for here, _ in cut]).nonzero()
        if len(where):
            t, i = where.unbind(1)
            last = torch.stack([seen for _, seen in cut])[t, i]
            buffer.rewards[t, i] += self.gamma * self.policy.predict_values(last).flatten()
        values = self.policy.predict_values(obs)
        buffer.compute_returns_and_advantage(values, dones)
        self._note_episodes()
        return values

    def _note_episodes(self) -> None:
        cast(Any, self.ep_info_buffer).extend(self._counted.take(self._stats_window_size))

    def _clipped(self, actions: Tensor) -> Tensor:
        """The actions as the environment takes them."""
        return actions if self._bounds is None else actions.clamp(*self._bounds)

    @property
    def _counted(self) -> EpisodeCounter:
        batch = self.batch
        return cast(EpisodeCounter, batch.batch if isinstance(batch, DeviceRecording) else batch)

    def _setup_model(self) -> None:
        if self.use_sde:
            raise ValueError(
                "use_sde: expected False, got True: gSDE draws its noise by another loop; use PPO"
            )
        # Whatever a file of PPO says.
        self.rollout_buffer_class, self.rollout_buffer_kwargs = DeviceRolloutBuffer, {}
        super()._setup_model()
        self.policy.action_dist = cast(Any, resident(self.policy.action_dist))
        space = self.action_space
        # Once, since a copy from the host at each step is what this class avoids.
        self._bounds = (
            (
                torch.as_tensor(space.low, device=self.device),
                torch.as_tensor(space.high, device=self.device),
            )
            if isinstance(space, spaces.Box)
            else None
        )

    def _excluded_save_params(self) -> list[str]:
        # Tensors of a GPU would not load elsewhere, and plain PPO is to choose its own buffer.
        ours = ["_bounds", "_last_obs", "_last_episode_starts", "rollout_buffer_class"]
        return [*super()._excluded_save_params(), *ours]

    def _maybe_recommend_cpu(self, mlp_class_name: str = "ActorCriticPolicy") -> None:
        """Say nothing: that a GPU is slower for small networks is true of rollouts in numpy."""

    @staticmethod
    def _wrap_env(env: Any, verbose: int = 0, monitor_wrapper: bool = True) -> VecEnv:
        return vec_env(env)


def _same(ours: torch.device, asked: torch.device | str) -> None:
    """Compare devices, with the index that "cuda" leaves out."""
    theirs = torch.empty(0, device=asked).device
    if ours != theirs:
        raise ValueError(f"env: expected one on {theirs} as the policy is, got one on {ours}")
