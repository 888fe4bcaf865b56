"""What is seen of a run of imitation while it trains."""

import sys
import time
from typing import final

import numpy as np

from advlearn.imitation.demonstrations import Demonstrations
from advlearn.imitation.imitation import Imitation
from advlearn.imitation.rewards import Form, sign


@final
class Watch:
    """Keep a row of figures at each look; at each tenth of the run, say how it fares.

    Args:
        run: The run, whose history it writes.
        steps: Environment steps in all.
        quiet: Keep the rows, and print nothing.
    """

    def __init__(self, run: Imitation, steps: int, *, quiet: bool) -> None:
        self.run = run
        self.steps = steps
        self.quiet = quiet
        self._began: tuple[float, int] | None = None
        self._tenth = 0

    def __call__(self) -> None:
        """Look at the policy's last episodes and at the critic."""
        player = self.run.policy
        episodes = [float(episode["r"]) for episode in player.ep_info_buffer or ()]
        found = float(np.mean(episodes)) if episodes else float("nan")
        self.run.history.append({"steps": player.num_timesteps, "return": found, **self.run.reward.figures()})
        tenth = 10 * player.num_timesteps // self.steps
        if tenth > self._tenth and not self.quiet:
            self._tenth = tenth
            words = self.run.reward.adversary.health().verdict
            of = f" of {self.run.demonstrations.expert_return:.1f}"
            print(f"{player.num_timesteps} steps: return {found:.1f}{of}; {words}{self._speed()}", file=sys.stderr)
        if self._began is None:
            self._began = time.monotonic(), player.num_timesteps

    def _speed(self) -> str:
        """Steps a second since the first look, which has none to tell: a run that goes on begins at any step."""
        if self._began is None:
            return ""
        then, before = self._began
        return f"; {(self.run.policy.num_timesteps - before) / max(time.monotonic() - then, 1e-9):.0f} steps/s"


def remark(form: Form, absorbing: bool, demonstrations: Demonstrations, env_id: str) -> None:
    """Say what may surprise: a reward of one sign where lengths vary, demonstrations of another environment."""
    if sign(form) and not absorbing and len(np.unique(demonstrations.lengths)) > 1:
        what = "never negative: it pays for living on" if sign(form) > 0 else "never positive: it pays for ending early"
        line = f"{what}, and the demonstrations differ in length; absorbing=True removes the bias"
        print(f"reward: {form!r} is {line}", file=sys.stderr)
    if demonstrations.env_id and env_id != demonstrations.env_id:
        print(f"env: {env_id}, and the demonstrations are of {demonstrations.env_id}", file=sys.stderr)
