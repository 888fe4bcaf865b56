"""PPO of stable-baselines3 with rollouts that stay on the device."""

from typing import Any, Self, cast, final

import torch
from gymnasium import spaces
from stable_baselines3.common.buffers import RolloutBuffer
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.type_aliases import Schedule
from stable_baselines3.common.vec_env import VecEnv
from torch import Tensor

from advlearn.core.arguments import Count, NonNegative, Positive, Seed, Share, checked
from advlearn.imitation.on_device.actions import device_distribution
from advlearn.imitation.on_device.base import OnDevice, check_device
from advlearn.imitation.on_device.buffer import DeviceRolloutBuffer
from advlearn.imitation.on_device.environment import Batch, vec_env
from advlearn.imitation.on_device.iteration import FixedIteration
from advlearn.imitation.on_device.update import Coefficients, eager_passes, together


@checked
@final
class DevicePPO(OnDevice):
    r"""Train PPO on a batch of environments, with all rollout tensors on the batch's device.

    No value is copied to the host inside a step. After the last step of a rollout, the value of the
    last observation is added to the reward of each step at which a time limit ended the episode:

    .. math:: r_t \leftarrow r_t + \gamma V(o'_t)
        \quad \text{where truncated and not terminated}

    Policies, hyper-parameters and saved files are those of PPO: ``PPO.load`` reads the file that
    `save` writes, and `load` reads PPO's. The arguments have PPO's defaults; gSDE and other buffers
    are not supported.

    On CUDA an iteration runs as CUDA graphs, unless `capture` is False. A part that cannot be
    captured runs eagerly, and one line names the reason. The host then reads episodes and losses
    once an iteration, and callbacks are called for the steps of a rollout after its last step: one
    that stops the run stops it there.

    In a callback, `locals` holds tensors, both in a step and at the end of a rollout. To read the
    value of one in each step costs the time that this class saves. ``infos`` holds empty dicts.
    Episodes are recorded as `VecMonitor` records them. A run of `imitate` with `out` resumes
    exactly.

    In a process group, each process steps its own environments, and the processes make each pass
    together: advantages are standardised, gradients averaged, and `target_kl` judged over all.

    Args:
        policy: ``"MlpPolicy"`` or a class of actor-critic policies.
        env: A `BatchedEnv`, or a `StableBaselinesVecEnv` around one; None only to load and predict.
        learning_rate: Adam's rate, or a function of the remaining fraction of the run.
        n_steps: Steps of each environment in a rollout.
        batch_size: Size of a minibatch.
        n_epochs: Passes over a rollout.
        gamma: Discount.
        gae_lambda: Lambda of the advantages.
        clip_range: Largest distance of the ratio of probabilities from 1.
        clip_range_vf: Largest distance of a value from the old one; None: no limit.
        normalize_advantage: Standardise the advantages of a minibatch.
        ent_coef: Weight of the entropy.
        vf_coef: Weight of the value's loss.
        max_grad_norm: Largest norm of a gradient.
        target_kl: Divergence at which the passes over a rollout stop; None: no limit.
        stats_window_size: Number of the latest episodes in the statistics.
        tensorboard_log: Folder of the log.
        policy_kwargs: Arguments of the policy.
        verbose: 0 prints nothing, 1 infos, 2 debug messages.
        seed: Seeds the global generators and the environments.
        device: Device of the policy; ``"auto"`` is the environment's.
        capture: On CUDA, run the rollout, the learned reward and the passes as one CUDA graph each,
            from the third iteration on.

    Raises:
        TypeError: If the environment is of another kind or is wrapped, for example in
            `VecNormalize`, or the policy has other distributions.
        ValueError: If observations are not vectors, the environment is on another device than the
            policy, a loaded file is of a PPO with gSDE, or a log-probability is not finite.

    Example:
        >>> from advlearn_envs import CartPole
        >>> algorithm = DevicePPO(
        ...     "MlpPolicy", CartPole(4), n_steps=8, batch_size=16, n_epochs=1, seed=0
        ... )
        >>> algorithm.learn(64).num_timesteps
        64
        >>> algorithm.rollout_buffer.observations.shape
        torch.Size([8, 4, 4])

    Reference: Schulman et al., "Proximal Policy Optimization Algorithms", 2017.

    Deviations:
        From stable-baselines3: minibatches are drawn by torch; the values that its distributions
        check at each call are checked once a rollout; `get_env` returns a new adapter around the
        same batch; `train` reads its losses once, or with `target_kl` the divergence of each
        minibatch.
    """

    # Devices on which rollouts keep their tensors, as CUDA graphs need.
    _fixed_devices: tuple[str, ...] = ("cuda",)

    def __init__(
        self,
        policy: str | type[ActorCriticPolicy],
        env: Batch | VecEnv | None,
        learning_rate: Positive | Schedule = 3e-4,
        n_steps: Count = 2048,
        batch_size: Count = 64,
        n_epochs: Count = 10,
        gamma: Share = 0.99,
        gae_lambda: Share = 0.95,
        clip_range: Positive | Schedule = 0.2,
        clip_range_vf: Positive | Schedule | None = None,
        normalize_advantage: bool = True,
        ent_coef: NonNegative = 0.0,
        vf_coef: float = 0.5,
        max_grad_norm: float = 0.5,
        target_kl: float | None = None,
        stats_window_size: int = 100,
        tensorboard_log: str | None = None,
        policy_kwargs: dict[str, Any] | None = None,
        verbose: int = 0,
        seed: Seed | None = None,
        device: torch.device | str = "auto",
        capture: bool = True,
        _init_setup_model: bool = True,  # passed by `load` of stable-baselines3
    ) -> None:
        if isinstance(policy, str) and policy != "MlpPolicy":
            raise ValueError(f"policy: expected 'MlpPolicy' or a class, got {policy!r}")
        if env is None and _init_setup_model:
            raise ValueError("env: expected an environment, got None; pass a batched environment")
        self.capture = capture
        self._iteration: FixedIteration | None = None
        venv: Any = None if env is None else vec_env(env)
        if venv is not None:
            device = venv.env.device if device == "auto" else device
            check_device(venv.env.device, device)
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

    def collect_rollouts(
        self,
        env: VecEnv,
        callback: BaseCallback,
        rollout_buffer: RolloutBuffer,
        n_rollout_steps: int,
    ) -> bool:
        """Fill the buffer with a rollout; return False if a callback stopped it."""
        self.policy.set_training_mode(False)
        if self.fixed is not None:
            return self._collect_fixed(self.fixed, callback, n_rollout_steps)
        rollout_buffer.reset()
        callback.on_rollout_start()
        # stable-baselines3 resets to numpy arrays, once in a call of `learn`.
        obs_tensor = torch.as_tensor(cast(Any, self._last_obs), device=self.device)
        dones = torch.as_tensor(cast(Any, self._last_episode_starts), device=self.device)
        truncated: list[tuple[Tensor, Tensor]] = []
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
            truncated.append((step.truncated & ~step.terminated, step.final_observations))
            obs_tensor = new_obs
            self._last_obs, self._last_episode_starts = cast(Any, obs_tensor), cast(Any, dones)
        buffer = cast(DeviceRolloutBuffer, rollout_buffer)
        values = self._finish(buffer, truncated, obs_tensor, dones)
        callback.update_locals(locals())
        callback.on_rollout_end()
        return True

    def _collect_fixed(
        self, iteration: FixedIteration, callback: BaseCallback, n_rollout_steps: int
    ) -> bool:
        """Do what `collect_rollouts` does on fixed tensors, and call the callbacks afterwards."""
        rollout = iteration.rollout
        callback.on_rollout_start()
        rollout.begin(self._last_obs, self._last_episode_starts)
        iteration.collect()
        rollout.take()
        self._last_obs = cast(Any, rollout.observations)
        self._last_episode_starts = cast(Any, rollout.dones)
        infos: list[dict[str, Any]] = [{}] * self.n_envs
        for t in range(n_rollout_steps):
            self.num_timesteps += self.n_envs
            callback.update_locals({**rollout.step_locals(t), "infos": infos})
            if not callback.on_step():
                self._note(iteration)
                return False
        self._note(iteration)
        callback.update_locals({"values": rollout.values, "dones": rollout.dones})
        callback.on_rollout_end()
        return True

    def _note(self, iteration: FixedIteration) -> None:
        """Read and keep the episodes of the rollout, and the losses of the passes before it."""
        rows, odd, figures = iteration.read()
        self._refuse_odd(odd)
        cast(Any, self.ep_info_buffer).extend(self._counted.records(rows))
        if iteration.unlogged:
            self._log(figures)
            iteration.unlogged = False

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        """Train as PPO's `learn` does, with its arguments."""
        with together(self.policy, capture=self.capture):
            super().learn(*args, **kwargs)
        if self._iteration is not None and self._iteration.unlogged:
            self._log(self._iteration.read()[2])
            self._iteration.unlogged = False
        return self

    @property
    def fixed(self) -> FixedIteration | None:
        """The iteration on fixed tensors; None where rollouts make new ones."""
        if not self.capture or self.device.type not in self._fixed_devices:
            return None
        now = self._iteration
        if now is None or now.batch is not self.batch or now.policy is not self.policy:
            now = self._iteration = FixedIteration(self)
        return now

    def train(self) -> None:
        """Make the passes over the rollout, and log their losses, read once."""
        self.policy.set_training_mode(True)
        self._update_learning_rate(self.policy.optimizer)
        now = self._current_progress_remaining
        clip, clip_values = cast(Any, self.clip_range)(now), None
        self.logger.record("train/clip_range", clip)
        if self.clip_range_vf is not None:
            clip_values = cast(Any, self.clip_range_vf)(now)
            self.logger.record("train/clip_range_vf", clip_values)
        iteration = self.fixed
        if iteration is None or self.target_kl is not None:
            self._passes(clip, clip_values)
        else:
            iteration.prepare(self.lr_schedule(now), clip, clip_values)
            iteration.learn()
            iteration.unlogged = True
            self._n_updates += self.n_epochs
        self.logger.record("train/n_updates", self._n_updates, exclude="tensorboard")

    def _passes(self, clip: float, clip_values: float | None) -> None:
        """Make the passes over the rollout eagerly; with `target_kl` they may stop."""
        weights = Coefficients(
            clip,
            clip_values,
            self.ent_coef,
            self.vf_coef,
            self.max_grad_norm,
            self.normalize_advantage,
        )
        buffer = cast(DeviceRolloutBuffer, self.rollout_buffer)
        settings = {"n_epochs": self.n_epochs, "batch_size": self.batch_size}
        figures, done = eager_passes(
            self.policy, buffer, weights, **settings, target_kl=self.target_kl
        )
        self._n_updates += done
        self._log(figures.tolist())

    @torch.no_grad()
    def _finish(
        self,
        buffer: DeviceRolloutBuffer,
        truncated: list[tuple[Tensor, Tensor]],
        obs: Tensor,
        dones: Tensor,
    ) -> Tensor:
        """Complete the rewards and advantages of a rollout, where the host may wait.

        Args:
            buffer: The full buffer.
            truncated: For each step, where a time limit ended an episode, and the observations.
            obs: Observations after the last step.
            dones: Whether an episode ended with the last step.

        Returns:
            The values of `obs`, (n, 1).
        """
        self._refuse_odd(int((~buffer.log_probs.isfinite()).sum()))
        # Few rows are truncated: to find them costs less than the value of every last observation.
        where = torch.stack([mask for mask, _ in truncated]).nonzero()
        if len(where):
            t, i = where.unbind(1)
            last = torch.stack([observations for _, observations in truncated])[t, i]
            buffer.rewards[t, i] += self.gamma * self.policy.predict_values(last).flatten()
        values = self.policy.predict_values(obs)
        buffer.compute_returns_and_advantage(values, dones)
        self._note_episodes()
        return values

    def _setup_model(self) -> None:
        if self.use_sde:
            raise ValueError(
                "use_sde: expected False, since gSDE needs another rollout loop, got True; use PPO "
                "of stable-baselines3"
            )
        # A file of PPO may name another buffer.
        self.rollout_buffer_class, self.rollout_buffer_kwargs = DeviceRolloutBuffer, {}
        super()._setup_model()
        self.policy.action_dist = cast(Any, device_distribution(self.policy.action_dist))
        space = self.action_space
        # Copied to the device once, not in each step.
        self._bounds = (
            (
                torch.as_tensor(space.low, device=self.device),
                torch.as_tensor(space.high, device=self.device),
            )
            if isinstance(space, spaces.Box)
            else None
        )
