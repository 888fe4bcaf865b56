"""Checkpoints of a run of imitation, from which it goes on bit for bit."""

from pathlib import Path
from typing import Any, cast, final

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback

from advlearn.imitation.result import ImitationResult
from advlearn.imitation.sb3.off_policy import OffPolicyReward
from advlearn.imitation.sb3.on_policy import OnPolicyReward
from advlearn.training import checkpoint, rng

# What an algorithm counts or has computed, by attribute; each has some of them.
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls", "exploration_rate")


@final
class Checkpoints(BaseCallback):
    """Write everything a run needs to go on, between two rollouts and at the end.

    The inside of an environment cannot be saved in general. So each checkpoint is a stated reset
    point: environments, random actions and action noise are seeded from the run's seed and the
    step, and reset, in the run that goes on as in the one that is resumed. The step before is
    unharmed: it ends in a value and not in an end.

    Args:
        run: The run.
        ours: The callback that writes rewards.
        folder: Where ``checkpoint.pt`` goes.
        config: Plain values that a resumed run must share.
        seed: The run's seed.
        every: Environment steps between two checkpoints; they wait for the end of a rollout.

    Attributes:
        interrupted: Whoever puts something in here stops the run at the next checkpoint.
        stopped: Whether it was stopped so.
    """

    def __init__(
        self,
        run: ImitationResult,
        ours: OnPolicyReward | OffPolicyReward,
        folder: Path,
        recipe: dict[str, Any],
        *,
        seed: int,
        every: int,
    ) -> None:
        super().__init__()
        self.run = run
        self.ours = ours
        self.folder = folder
        self.config = recipe
        self.seed = seed
        self.every = every
        self.interrupted: list[int] = []
        self.stopped = False
        self._behind_reset: dict[str, Any] | None = None
        self._last = 0

    def resume(self) -> int:
        """Take over the state of the folder's checkpoint, if there is one; return the environment steps made so far.

        Raises:
            ValueError: It is of another run.
        """
        if not (self.folder / checkpoint.NAME).exists():
            return 0
        state = checkpoint.load(self.folder)
        for key, ours in self.config.items():
            saved = state["recipe"].get(key)
            if saved != ours:
                raise ValueError(
                    f"out: {self.folder} holds a run with {key}={saved!r}, got {ours!r}; choose another"
                )
        player, learned = self.run.policy, self.run.reward
        player.set_parameters(state["policy"])
        for name, values in state["variables"].items():
            _variables(player)[name].data.copy_(values)
        for name, value in state["counters"].items():
            setattr(player, name, value)
        learned.adversary.load_state_dict(state["adversary"])
        self.ours.load_state_dict(state["ours"])
        self.run.history[:] = state["history"]
        self._behind_reset = state
        # An algorithm that has been used before is reset like a fresh one.
        player._last_obs, player.ep_info_buffer = None, None
        self._seed()
        return player.num_timesteps

    def _on_training_start(self) -> None:
        player = self.run.policy
        self._last = player.num_timesteps
        if self._behind_reset is None:
            return
        # After the reset that begins `learn`, which is the one that the checkpoint was written
        # behind.
        state, self._behind_reset = self._behind_reset, None
        normalise: Any = player.get_vec_normalize_env()
        if normalise is not None:
            for name, one in moments(normalise).items():
                mean, variance, count = state["normalise"][name]
                one.mean, one.var, one.count = np.array(mean), np.array(variance), count
            player._last_obs = normalise.normalize_obs(normalise.old_obs)
        cast(Any, player.ep_info_buffer).extend(state["episodes"])
        rng.set_state(state["rng"])

    def _on_step(self) -> bool:
        return not self.stopped

    def _on_rollout_start(self) -> None:
        steps = self.run.policy.num_timesteps
        if steps // self.every > self._last // self.every:
            self._save()
            # Not earlier: a checkpoint resets the environments, and the unbroken run has none in
            # between.
            self.stopped = bool(self.interrupted)
        self._last = steps

    def _on_training_end(self) -> None:
        # The same call finds its work done, and one with more steps goes on.
        if not self.stopped:
            self._save()

    def _save(self) -> None:
        player: Any = self.run.policy
        self._seed()
        player._last_obs = player.env.reset()
        player._last_episode_starts = np.ones(player.env.num_envs, dtype=bool)
        normalise: Any = player.get_vec_normalize_env()
        scales = {} if normalise is None else moments(normalise)
        checkpoint.save(
            self.folder / checkpoint.NAME,
            {
                "recipe": self.config,
                "steps": player.num_timesteps,
                "policy": player.get_parameters(),
                "variables": {
                    name: variable.detach() for name, variable in _variables(player).items()
                },
                "counters": {
                    name: getattr(player, name) for name in COUNTERS if hasattr(player, name)
                },
                "episodes": [
                    {key: float(value) for key, value in info.items()}
                    for info in player.ep_info_buffer
                ],
                "normalise": {
                    name: [one.mean.tolist(), one.var.tolist(), float(one.count)]
                    for name, one in scales.items()
                },
                "adversary": self.run.reward.adversary.state_dict(),
                "ours": self.ours.state_dict(),
                "history": self.run.history,
                "rng": rng.get_state(),
            },
        )

    def _seed(self) -> None:
        player: Any = self.run.policy
        seed = (self.seed * 1_000_003 + player.num_timesteps) % 2**31
        player.env.seed(seed)
        player.action_space.seed(seed)
        if getattr(player, "action_noise", None) is not None:
            player.action_noise.reset()


def _variables(player: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """What an algorithm learns outside of its modules, such as SAC's temperature, by attribute."""
    names = player._get_torch_save_params()[1]
    return {name: getattr(player, name) for name in names if getattr(player, name) is not None}


def moments(normalise: Any) -> dict[str, Any]:
    """The running moments of a `VecNormalize`, by the name of a part of a dict observation, or alone."""
    found = normalise.obs_rms if normalise.norm_obs else {}
    return found if isinstance(found, dict) else {"": found}
