"""Checkpoints of a run of imitation, from which it goes on bit for bit."""

from pathlib import Path
from typing import Any, cast, final

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm

from advlearn.engine import checkpoint, rng
from advlearn.imitation.imitation import Imitation
from advlearn.imitation.on_policy import OnPolicyReward
from advlearn.imitation.transitions import Transitions


@final
class Checkpoints(BaseCallback):
    """Write everything a run needs to go on, between two rollouts.

    The inside of an environment cannot be saved in general. So each checkpoint is a stated reset point: the
    environments are seeded from the run's seed and the step, and reset, in the run that goes on as in the one that is
    resumed. The advantage of the last step before is unharmed, since it ends in a value and not in an end.

    Args:
        run: The run.
        ours: The callback that writes rewards.
        folder: Where ``checkpoint.pt`` goes.
        recipe: Plain values that a resumed run must share.
        seed: The run's seed.
        every: Rollouts between two checkpoints.

    Attributes:
        interrupted: Whoever puts something in here stops the run at the next checkpoint.
        stopped: Whether it was stopped so.
    """

    def __init__(
        self, run: Imitation, ours: OnPolicyReward, folder: Path, recipe: dict[str, Any], *, seed: int, every: int
    ) -> None:
        super().__init__()
        self.run = run
        self.ours = ours
        self.folder = folder
        self.recipe = recipe
        self.seed = seed
        self.every = every
        self.rollouts = 0
        self.interrupted: list[int] = []
        self.stopped = False
        self._behind_reset: tuple[rng.State, Any] | None = None

    def resume(self) -> int:
        """Take over the state of the folder's checkpoint, if there is one; return the environment steps made so far.

        Raises:
            ValueError: It is of another run.
        """
        if not (self.folder / checkpoint.NAME).exists():
            return 0
        state = checkpoint.load(self.folder)
        for key, ours in self.recipe.items():
            saved = state["recipe"].get(key)
            if saved != ours:
                raise ValueError(f"out: {self.folder} holds a run with {key}={saved!r}, got {ours!r}; choose another")
        player, learned = self._player(), self.run.reward
        player.set_parameters(state["policy"])
        player.num_timesteps, player._n_updates = state["steps"], state["updates"]
        learned.adversary.load_state_dict(state["adversary"])
        self.ours.scale.load_state_dict(state["scale"])
        if self.ours.memory is not None and state["memory"] is not None:
            self.ours.memory.held = Transitions(*state["memory"])
        self.run.history[:] = state["history"]
        self.rollouts = state["rollouts"]
        self._behind_reset = state["rng"], state["normalise"]
        cast(Any, player.env).seed(self._seed_at(player))
        return player.num_timesteps

    def _on_training_start(self) -> None:
        if self._behind_reset is None:
            return
        # After the reset that begins `learn`, which is the one that the checkpoint was written behind.
        random, moments = self._behind_reset
        player = self._player()
        normalise: Any = player.get_vec_normalize_env()
        if normalise is not None:
            normalise.obs_rms.mean, normalise.obs_rms.var = (np.array(part) for part in moments[:2])
            normalise.obs_rms.count = moments[2]
            player._last_obs = normalise.normalize_obs(normalise.old_obs)
        rng.set_state(random)
        self._behind_reset = None

    def _on_step(self) -> bool:
        return not self.stopped

    def _on_rollout_start(self) -> None:
        if self.rollouts and self.rollouts % self.every == 0 and self._player().num_timesteps > self._began:
            self._save()
            # Not earlier: a checkpoint resets the environments, and the unbroken run has none in between.
            self.stopped = bool(self.interrupted)
        self.rollouts += 1

    @property
    def _began(self) -> int:
        return self._player()._num_timesteps_at_start

    def _save(self) -> None:
        player, learned = self._player(), self.run.reward
        env = cast(Any, player.env)
        env.seed(self._seed_at(player))
        player._last_obs = env.reset()
        player._last_episode_starts = np.ones(env.num_envs, dtype=bool)
        normalise: Any = player.get_vec_normalize_env()
        moments = None
        if normalise is not None:
            rms = normalise.obs_rms
            moments = [rms.mean.tolist(), rms.var.tolist(), float(rms.count)]
        memory = self.ours.memory.held if self.ours.memory is not None else None
        checkpoint.save(
            self.folder / checkpoint.NAME,
            {
                "recipe": self.recipe,
                "policy": player.get_parameters(),
                "steps": player.num_timesteps,
                "updates": player._n_updates,
                "normalise": moments,
                "adversary": learned.adversary.state_dict(),
                "scale": self.ours.scale.state_dict(),
                "memory": None if memory is None else list(memory),
                "history": self.run.history,
                "rollouts": self.rollouts,
                "rng": rng.get_state(),
            },
        )

    def _seed_at(self, player: OnPolicyAlgorithm) -> int:
        return (self.seed * 1_000_003 + player.num_timesteps) % 2**31

    def _player(self) -> OnPolicyAlgorithm:
        return cast(OnPolicyAlgorithm, self.run.policy)
