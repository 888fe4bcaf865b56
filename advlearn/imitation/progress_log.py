"""The progress of a run of imitation: rows of its history, and a line for each tenth."""

import math
import sys
import time
from typing import final

import numpy as np
from torch import Tensor

from advlearn.imitation.demonstrations.dataset import Demonstrations
from advlearn.imitation.result import ImitationResult
from advlearn.imitation.rewards.shapes import sign


@final
class ProgressLog:
    """Add a row to the history at each call, and print a line at each tenth of the run.

    Args:
        run: The run, to whose history the rows are added.
        steps: Environment steps in total.
        quiet: Whether to print no lines.
    """

    def __init__(self, run: ImitationResult, steps: int, *, quiet: bool) -> None:
        self.run = run
        self.steps = steps
        self.quiet = quiet
        self._start: tuple[float, int] | None = None
        self._tenth = 0
        self._sign_checked = False

    def __call__(self, rewards: Tensor) -> None:
        """Record the policy's return, the critic's losses and the mean learned reward.

        The algorithm's logger gets them too, as ``critic/...`` and ``rollout/learned_reward``.

        Args:
            rewards: The latest learned rewards; those of the first call are checked for their sign.
        """
        algorithm = self.run.policy
        if not self._sign_checked and len(rewards):
            self._sign_checked = True
            lengths = {int(episode["l"]) for episode in algorithm.ep_info_buffer or ()}
            if not self.quiet:
                remark_on_sign(self.run, float(rewards.min()), float(rewards.max()), lengths)
        returns = [float(episode["r"]) for episode in algorithm.ep_info_buffer or ()]
        mean = float(np.mean(returns)) if returns else float("nan")
        figures = self.run.reward.figures()
        reward = float(rewards.mean()) if len(rewards) else float("nan")
        self.run.history.append(
            {"steps": algorithm.num_timesteps, "return": mean, **figures, "reward": reward}
        )
        algorithm.logger.record("rollout/learned_reward", reward)
        for name, value in figures.items():
            algorithm.logger.record(f"critic/{name.removeprefix('critic_')}", value)
        tenth = 10 * algorithm.num_timesteps // self.steps
        if tenth > self._tenth and not self.quiet:
            self._tenth = tenth
            verdict = self.run.reward.adversary.health().verdict
            expert = self.run.demonstrations.expert_return
            of_expert = "" if math.isnan(expert) else f" of {expert:.1f}"
            print(
                f"{algorithm.num_timesteps} steps: return {mean:.1f}{of_expert}; "
                f"{verdict}{self._speed()}",
                file=sys.stderr,
            )
        if self._start is None:
            self._start = time.monotonic(), algorithm.num_timesteps

    def _speed(self) -> str:
        """Return the steps per second since the first call; nothing in the first call."""
        if self._start is None:
            return ""
        start, before = self._start
        steps = self.run.policy.num_timesteps - before
        return f"; {steps / max(time.monotonic() - start, 1e-9):.0f} steps/s"


def remark_on_sign(run: ImitationResult, lowest: float, highest: float, lengths: set[int]) -> None:
    """Print a line if the rewards have one sign and episodes differ in length.

    Such a reward favours long or short episodes, whatever the expert did.

    Args:
        run: The run, after its first rollout.
        lowest: The smallest reward of the rollout.
        highest: The largest reward of the rollout.
        lengths: Steps of the policy's episodes.
    """
    reward_shape, absorbing = run.reward.reward_shape, run.reward.absorbing
    if isinstance(reward_shape, str) and reward_shape != "own":
        one_sign = sign(reward_shape)
    else:
        one_sign = int(lowest >= 0) - int(highest <= 0)
    lengths = lengths | {int(length) for length in run.demonstrations.lengths}
    if not one_sign or absorbing or len(lengths) == 1:
        return
    bias = "long" if one_sign > 0 else "short"
    print(
        f"reward: {reward_shape!r} is between {lowest:.3g} and {highest:.3g}; a reward of one sign "
        f"favours {bias} episodes, and episodes last {min(lengths)} to {max(lengths)} steps; "
        "absorbing=True removes the bias",
        file=sys.stderr,
    )


def ends_early(demonstrations: Demonstrations, *, quiet: bool) -> bool:
    """Return whether the environment ended demonstrations of different lengths, and print so.

    Then a reward of one sign would favour long or short episodes, whatever the expert did.

    Args:
        demonstrations: The demonstrations.
        quiet: Whether to print nothing.
    """
    lengths, ends = demonstrations.lengths, demonstrations.terminated
    found = bool(ends.any()) and int(lengths.min()) < int(lengths.max())
    if found and not quiet:
        print(
            f"absorbing: the environment ended demonstrations of {lengths.min()} to "
            f"{lengths.max()} steps, so that ended episodes continue in an absorbing state; "
            "absorbing=False turns it off",
            file=sys.stderr,
        )
    return found
