"""Measure the true return in a separate environment during training, and keep the best policy."""

from pathlib import Path
from typing import Any, final

import numpy as np
from stable_baselines3.common.callbacks import BaseCallback

from advlearn.imitation.result import ImitationResult
from advlearn.training import rng

BEST = "best"
"""Name of the folder, in that of the run, for the policy with the best held-out return."""

EPISODES = 10
# Added to the seed of the run, so that no episode of the training is measured.
SEED_OFFSET = 10_007


@final
class HeldOutReturn(BaseCallback):
    """Measure the mean true return of the policy's mode every `every` environment steps.

    A new environment like that of the training is built for each measurement, always with the same
    seed, so that policies are compared on equal first states. The training does not notice: its
    environments, scales and random numbers stay as they are. The result is in
    `ImitationResult.evaluations` and in the algorithm's logger, as ``eval/mean_return``.

    Args:
        run: The run.
        every: Environment steps between two measurements; they are made at the next start of a
            rollout, and at the end of the run.
        seed: The run's seed.
        folder: Folder of the run, in which ``best`` holds what `ImitationResult.save` writes; None:
            nothing is written.
    """

    def __init__(self, run: ImitationResult, every: int, seed: int, folder: Path | None) -> None:
        super().__init__()
        self.run = run
        self.every = every
        self.seed = seed
        self.folder = folder

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        evaluations, steps = self.run.evaluations, self.run.policy.num_timesteps
        last = evaluations[-1]["steps"] if evaluations else 0
        if steps // self.every > last // self.every:
            self._measure()

    def _on_training_end(self) -> None:
        evaluations = self.run.evaluations
        if not evaluations or evaluations[-1]["steps"] < self.run.policy.num_timesteps:
            self._measure()
            self.logger.dump(self.num_timesteps)

    def _measure(self) -> None:
        seed = (self.seed + SEED_OFFSET) % 2**31
        with rng.isolated(seed):
            venv = self.run.recipe.build(seed=seed)
            try:
                returns = self.run.returns(venv, EPISODES)
            finally:
                venv.close()
        mean, best = float(np.mean(returns)), self.run.best
        steps = self.run.policy.num_timesteps
        row = {"steps": steps, "return": mean, "deviation": float(np.std(returns))}
        self.run.evaluations.append(row)
        self.logger.record("eval/mean_return", mean)
        self.logger.record("eval/deviation", row["deviation"])
        if self.folder is not None and (best is None or mean > best["return"]):
            self.run.save(self.folder / BEST)


def refuse_unknown_environment(run: ImitationResult, every: int) -> None:
    """Refuse held-out returns if no environment like that of the training can be built.

    Args:
        run: The run.
        every: The argument `evaluate`, for the message.

    Raises:
        ValueError: If the environment has no id, or one of its wrappers cannot be built again.
    """
    try:
        run.recipe.build(seed=0).close()
    except ValueError as error:
        reason: Any = str(error).removesuffix("; pass env=")
        raise ValueError(
            f"evaluate: expected None, since a second environment cannot be built ({reason}), got "
            f"{every}; leave it out, and pass an EvalCallback with your environment in callbacks"
        ) from None
