"""What is seen of a run of imitation while it trains."""

import sys
import time
from typing import final

import numpy as np
from torch import Tensor

from advlearn.imitation.result import ImitationResult
from advlearn.imitation.rewards.shapes import sign


@final
class ProgressLog:
    """Keep a row of figures at each look; at each tenth of the run, say how it fares.

    Args:
        run: The run, whose history it writes.
        steps: Environment steps in all.
        quiet: Keep the rows, and print nothing.
    """

    def __init__(self, run: ImitationResult, steps: int, *, quiet: bool) -> None:
        self.run = run
        self.steps = steps
        self.quiet = quiet
        self._began: tuple[float, int] | None = None
        self._tenth = 0
        self._judged = False

    def __call__(self, paid: Tensor) -> None:
        """Look at the policy's last episodes, at the critic and, the first time, at the sign of what it paid."""
        player = self.run.policy
        if not self._judged and len(paid):
            self._judged = True
            lengths = {int(episode["l"]) for episode in player.ep_info_buffer or ()}
            remark_on_sign(self.run, float(paid.min()), float(paid.max()), lengths)
        episodes = [float(episode["r"]) for episode in player.ep_info_buffer or ()]
        found = float(np.mean(episodes)) if episodes else float("nan")
        self.run.history.append(
            {"steps": player.num_timesteps, "return": found, **self.run.reward.figures()}
        )
        tenth = 10 * player.num_timesteps // self.steps
        if tenth > self._tenth and not self.quiet:
            self._tenth = tenth
            words = self.run.reward.adversary.health().verdict
            of = f" of {self.run.demonstrations.expert_return:.1f}"
            print(
                f"{player.num_timesteps} steps: return {found:.1f}{of}; {words}{self._speed()}",
                file=sys.stderr,
            )
        if self._began is None:
            self._began = time.monotonic(), player.num_timesteps

    def _speed(self) -> str:
        """Steps a second since the first look, which has none to tell: a run that goes on begins at any step."""
        if self._began is None:
            return ""
        then, before = self._began
        return f"; {(self.run.policy.num_timesteps - before) / max(time.monotonic() - then, 1e-9):.0f} steps/s"


def remark_on_sign(run: ImitationResult, lowest: float, highest: float, lengths: set[int]) -> None:
    """Say that a reward has one sign where episodes differ in length, which moves a policy whatever the expert did.

    Args:
        run: The run, after its first rollout.
        lowest: The smallest reward of the rollout.
        highest: The largest.
        lengths: Steps of the policy's episodes.
    """
    reward_shape, absorbing = run.reward.reward_shape, run.reward.absorbing
    if isinstance(reward_shape, str) and reward_shape != "own":
        one_sign = sign(reward_shape)
    else:
        one_sign = int(lowest >= 0) - int(highest <= 0)
    everywhere = lengths | {int(length) for length in run.demonstrations.lengths}
    if not one_sign or absorbing or len(everywhere) == 1:
        return
    bias = "living on" if one_sign > 0 else "ending early"
    seen = f"{reward_shape!r} paid {lowest:.3g} to {highest:.3g} at first"
    line = f"of one sign, it pays for {bias} where episodes last {min(everywhere)} to {max(everywhere)} steps"
    print(f"reward: {seen}; {line}; absorbing=True removes the bias", file=sys.stderr)
