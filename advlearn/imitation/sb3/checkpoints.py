"""Checkpoints of a run of imitation, from which it resumes bit for bit."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, cast, final

import numpy as np
import torch
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.on_policy_algorithm import OnPolicyAlgorithm
from torch.nn.parameter import is_lazy

from advlearn.core import distributed
from advlearn.core.files import RefusedFileError
from advlearn.core.identity import flatten
from advlearn.core.rates import set_rate
from advlearn.imitation.processes import own_seed
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.sb3.exploration import draw_exploration, end_episodes
from advlearn.imitation.sb3.finite import RunGuard, moments
from advlearn.imitation.sb3.off_policy import OffPolicyReward
from advlearn.imitation.sb3.on_policy import OnPolicyReward
from advlearn.imitation.sb3.plain_states import PlainStates, objects_of
from advlearn.imitation.sb3.resume_settings import check_optimizers
from advlearn.imitation.settings import CHANGEABLE
from advlearn.imitation.summary import HISTORY, write_history
from advlearn.training import checkpoint, rng, structure
from advlearn.training.comparison import compare
from advlearn.training.previous_file import keep_previous, newest, previous
from advlearn.training.structure import Count, Every, Row

# Attributes with the counters and computed values of algorithms; each algorithm has some of them.
COUNTERS = ("num_timesteps", "_n_updates", "_episode_num", "_n_calls", "exploration_rate")

CONTENT: Final = {
    "recipe": dict,
    "steps": Count(),
    "policy": {"policy": structure.STATE},
    "variables": Every(torch.Tensor),
    "counters": {"num_timesteps": Count()},
    "episodes": Every(dict),
    "normalise": Every(Row((list, list, (int, float)))),
    "adversary": structure.STATE,
    "ours": dict,
    "history": Every(dict),
    "rng": dict,
}
"""What a checkpoint of a run of imitation holds."""

OWN: Final = ("episodes", "ours", "rng")
"""What each of several processes has for itself; those after the first are in ``ranks``."""


@final
class Checkpoints(BaseCallback):
    """Write the state of a run between two rollouts and at the end.

    The inner state of an environment cannot be saved in general. So each checkpoint resets the
    environments, also in a run that is not interrupted: environments, random actions and action
    noise are seeded from the run's seed and the step. The preceding step is bootstrapped from its
    value estimate, not treated as terminal.

    A state that is not finite is never saved. Until the end of the run ``checkpoint-previous.pt``
    keeps the checkpoint before the last one. A save that fails during the run, such as on a full
    disk, is a warning and is repeated at the next interval.

    The first of several processes writes for all of them, and each resumes its own part. Their
    environments are seeded by their rank too.

    Args:
        run: The run.
        reward_callback: The callback that writes rewards.
        folder: Folder for ``checkpoint.pt``.
        config: Plain values that a resumed run must share.
        seed: The run's seed.
        every: Environment steps between two checkpoints; they are written at the next end of a
            rollout.

    Attributes:
        facts: Plain values, which older checkpoints lack, that a resumed run must share.
        changed: Names of settings that the user changes in a resumed run.
        callbacks: Callbacks of the user, whose counts and best values are saved.
        interrupted: List of signals; append to it to stop the run at the next checkpoint.
        stopped: Whether the run was stopped in this way.
        guard: Looks at the state before each save.
    """

    def __init__(
        self,
        run: ImitationResult,
        reward_callback: OnPolicyReward | OffPolicyReward,
        folder: Path,
        config: dict[str, Any],
        *,
        seed: int,
        every: int,
    ) -> None:
        super().__init__()
        self.run = run
        self.reward_callback = reward_callback
        self.folder = folder
        self.config = config
        self.seed = seed
        self.every = every
        self.facts: dict[str, Any] = {}
        self.changed: tuple[str, ...] = ()
        self.interrupted: list[int] = []
        self.stopped = False
        self.guard = RunGuard(run, folder / checkpoint.NAME)
        self.callbacks: Sequence[BaseCallback] = ()
        self._states = PlainStates({})
        self._after_reset: dict[str, Any] | None = None
        self._before_rollout: dict[str, Any] | None = None
        self._last, self._rollout_start = 0, 0

    def resume(self) -> int:
        """Restore the state of the folder's checkpoint, if there is one.

        Returns:
            The environment steps of the restored run; 0 without a checkpoint.

        Raises:
            ValueError: If the checkpoint is of a run with other settings or networks.
        """
        if not newest(self.folder / checkpoint.NAME).exists():
            return 0
        state = checkpoint.load(self.folder)
        structure.check(state, CONTENT, self.folder)
        state |= self._own_part(state.get("ranks", []))
        if state["counters"]["num_timesteps"] != state["steps"]:
            raise RefusedFileError(
                f"checkpoint: expected {state['steps']} steps, got a count of "
                f"{state['counters']['num_timesteps']} in {self.folder}; restore a copy of the file"
            )
        compare(
            self.folder,
            state["recipe"] | state.get("facts", {}),
            self.config | self.facts,
            new=flatten(self.facts) if "facts" not in state else (),
            changed=self.changed,
            changeable=CHANGEABLE,
        )
        with structure.refusing(self.folder):
            self._restore(state)
        return self.run.policy.num_timesteps

    def _own_part(self, ranks: Any) -> dict[str, Any]:
        """Return what this process has for itself; that of the first process is in place."""
        structure.check(ranks, Every({name: CONTENT[name] for name in OWN}), self.folder)
        saved, count, rank = 1 + len(ranks), distributed.world_size(), distributed.rank()
        if saved != count:
            raise ValueError(
                f"out: {self.folder} holds a run of {saved} processes, got {count}; start {saved}, "
                "or choose another folder"
            )
        return ranks[rank - 1] if rank else {}

    def _restore(self, state: dict[str, Any]) -> None:
        """Put the networks, the counters and the history of a checkpoint into the run."""
        algorithm, adversary = self.run.policy, self.run.reward.adversary
        saved_critic = {
            name.removeprefix("critic."): value
            for name, value in state["adversary"].items()
            if name.startswith("critic.")
        }
        self._check_shapes("critic", saved_critic, adversary.critic.state_dict())
        policy = algorithm.get_parameters()["policy"]
        self._check_shapes("policy", state["policy"]["policy"], policy)
        algorithm.set_parameters(state["policy"])
        check_optimizers(algorithm, self.folder)
        for name, values in state["variables"].items():
            _variables(algorithm)[name].data.copy_(values)
        for name, value in state["counters"].items():
            setattr(algorithm, name, value)
        rates = [float(group["lr"]) for group in _groups(adversary)]
        adversary.load_state_dict(state["adversary"])
        if "critic_lr" in self.changed:
            for group, rate in zip(_groups(adversary), rates, strict=True):
                set_rate(group, rate)
        self.reward_callback.load_state_dict(state["ours"])
        self.run.history[:] = state["history"]
        self.run.evaluations[:] = state.get("evaluations", [])
        self._after_reset = state
        # An algorithm that was used before is reset like a new one.
        algorithm._last_obs, algorithm.ep_info_buffer = None, None
        self._seed()
        self.guard.saved = algorithm.num_timesteps

    def _check_shapes(self, part: str, saved: Mapping[str, Any], now: Mapping[str, Any]) -> None:
        """Refuse a network with other names or shapes of tensors, before anything is restored."""
        saved_shapes, shapes = _shapes(saved), _shapes(now)
        for name in sorted({*saved_shapes, *shapes}):
            if saved_shapes.get(name) != shapes.get(name):
                raise ValueError(
                    f"out: {self.folder} holds a run with a {part} of another size: expected "
                    f"{name} of shape {saved_shapes.get(name)}, got {shapes.get(name)}; choose "
                    f"another folder, or build the {part} of that run"
                )

    def _on_training_start(self) -> None:
        algorithm = self.run.policy
        self._last = self._rollout_start = algorithm.num_timesteps
        self._states = PlainStates(objects_of(algorithm, self.callbacks))
        if self._after_reset is None:
            return
        # The checkpoint was written after a reset, as this call comes after the reset of `learn`.
        state, self._after_reset = self._after_reset, None
        normalise: Any = algorithm.get_vec_normalize_env()
        if normalise is not None:
            for name, scale in moments(normalise).items():
                mean, variance, count = state["normalise"][name]
                scale.mean, scale.var, scale.count = np.array(mean), np.array(variance), count
            algorithm._last_obs = normalise.normalize_obs(normalise.old_obs)
        cast(Any, algorithm.ep_info_buffer).extend(state["episodes"])
        self._before_rollout = state

    def _on_step(self) -> bool:
        return not self.stopped

    def _on_rollout_start(self) -> None:
        if self._before_rollout is not None:
            state, self._before_rollout = self._before_rollout, None
            self._states.load_state_dict(state.get("callbacks", {}))
            rng.set_state(state["rng"])
            draw_exploration(self.run.policy)
        steps = self._rollout_start = self.run.policy.num_timesteps
        if steps // self.every > self._last // self.every:
            self._reset()
            self._write_or_warn()
            draw_exploration(self.run.policy)
        self._last = steps

    def _write_or_warn(self) -> None:
        """Save the state, and stop after a signal; a signal to one process stops all."""
        failure: OSError | None = None
        try:
            self._write()
        except OSError as error:
            failure = error
        # Only at a checkpoint, since its reset would not be part of an uninterrupted run.
        signals = distributed.gather_numbers([len(self.interrupted)])
        self.stopped = any(count for (count,) in signals)
        if failure is not None and self.stopped:
            raise failure
        if failure is not None:
            warnings.warn(
                f"{failure}; training continues, the next save is {self.every} steps later",
                RuntimeWarning,
                stacklevel=2,
            )

    def _on_training_end(self) -> None:
        # The same call then has nothing to do, and one with more steps continues.
        if not self.stopped:
            self._reset()
            self._write()
            if distributed.rank() == 0:
                previous(self.folder / checkpoint.NAME).unlink(missing_ok=True)

    def save_without_environment(self) -> None:
        """Save the state at the start of the rollout, when the environments have gone.

        The resumed run starts with a reset there, which an uninterrupted run does not make.
        """
        algorithm = self.run.policy
        if isinstance(algorithm, OnPolicyAlgorithm):
            algorithm.num_timesteps = self._rollout_start
        self._write()

    def _reset(self) -> None:
        algorithm: Any = self.run.policy
        self._seed()
        replay = getattr(algorithm, "replay_buffer", None)
        end_episodes(getattr(replay, "buffer", replay))
        algorithm._last_obs = algorithm.env.reset()
        normalise = algorithm.get_vec_normalize_env()
        if normalise is not None:
            algorithm._last_original_obs = normalise.get_original_obs()
        algorithm._last_episode_starts = np.ones(algorithm.env.num_envs, dtype=bool)

    def _write(self) -> None:
        self.guard.check()
        payload = self._payload()
        others = distributed.gather_objects({name: payload[name] for name in OWN})[1:]
        if distributed.rank() == 0:
            path = self.folder / checkpoint.NAME
            with keep_previous(path):
                checkpoint.save(path, payload | {"ranks": others})
            write_history(self.run.history, self.folder / HISTORY)
        self.guard.saved = self.run.policy.num_timesteps

    def _payload(self) -> dict[str, Any]:
        algorithm: Any = self.run.policy
        scales = moments(algorithm.get_vec_normalize_env())
        return {
            "recipe": self.config,
            "facts": self.facts,
            "steps": algorithm.num_timesteps,
            "policy": algorithm.get_parameters(),
            "variables": {
                name: variable.detach() for name, variable in _variables(algorithm).items()
            },
            "counters": {
                name: getattr(algorithm, name) for name in COUNTERS if hasattr(algorithm, name)
            },
            "episodes": [
                {key: float(value) for key, value in info.items()}
                for info in algorithm.ep_info_buffer
            ],
            "normalise": {
                name: [scale.mean.tolist(), scale.var.tolist(), float(scale.count)]
                for name, scale in scales.items()
            },
            "adversary": self.run.reward.adversary.state_dict(),
            "ours": self.reward_callback.state_dict(),
            "history": self.run.history,
            "evaluations": self.run.evaluations,
            "callbacks": self._states.state_dict(),
            "rng": rng.get_state(),
        }

    def _seed(self) -> None:
        algorithm: Any = self.run.policy
        seed = own_seed(self.seed * 1_000_003 + algorithm.num_timesteps)
        algorithm.env.seed(seed)
        algorithm.action_space.seed(seed)
        if getattr(algorithm, "action_noise", None) is not None:
            algorithm.action_noise.reset()


def _variables(algorithm: BaseAlgorithm) -> dict[str, torch.Tensor]:
    """Return the trained tensors outside of the algorithm's modules, such as SAC's temperature."""
    names = algorithm._get_torch_save_params()[1]
    return {
        name: getattr(algorithm, name) for name in names if getattr(algorithm, name) is not None
    }


def _groups(adversary: Any) -> list[dict[str, Any]]:
    """Return the parameter groups of the critic's optimizer."""
    return [] if adversary.optimizer is None else adversary.optimizer.param_groups


def _shapes(state: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the shape of each tensor; a lazy parameter has no shape yet."""
    tensors = {name: v for name, v in state.items() if isinstance(v, torch.Tensor)}
    return {name: tuple(v.shape) for name, v in tensors.items() if not is_lazy(v)}
