"""What a head notes between two reports on its health: counts, and whether its critic moves."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import math
from dataclasses import dataclass, field
from typing import final

import torch
from torch import Tensor, nn

# Losses of the learner without a critic step, after which a critic that has not moved is reported.
PATIENCE = 100
# Losses of the learner, all without gradient, after which that is reported.
UNMOVED = 10
# Reports in a row with a step against the gradient, after which it is reported.
REPORTS = 3
AGAINST = -0.2
KEPT = 10
ELEMENTS = 16


@final
@dataclass(slots=True)
class Look:
    """Hold some weights of a critic at a point of the run.

    Args:
        critic_steps: Critic steps before it.
        player_losses: Losses of the learner before it.
        weights: Some weights and the sum of each parameter; None if none is trained.
        accuracy: As in `Health`.
        step_cosine: As in `Health`.
    """

    critic_steps: int
    player_losses: int
    weights: Tensor | None
    accuracy: float = math.nan
    step_cosine: float = math.nan


@final
@dataclass
class History:
    """Count the calls of a head, and compare its critic's weights between reports.

    Nothing here waits for the device, except `critic_is_still`.

    Args:
        player_losses: Losses of the learner.
        without_gradient: Losses of the learner in a row whose samples carried no gradient.
        critic_steps: Critic steps.
        rewards: Calls of `reward`.
        looks: The last reports, the newest last.
        losses_before_start: Losses of the learner before the critic set in.
        idle_since: The first report with the critic's present weights and steps.
    """

    player_losses: int = 0
    without_gradient: int = 0
    critic_steps: int = 0
    rewards: int = 0
    looks: list[Look] = field(default_factory=list[Look])
    losses_before_start: int = 0
    idle_since: Look | None = None

    def note_player_loss(self, *, carries_gradient: bool) -> None:
        """Count a loss of the learner."""
        self.player_losses += 1
        self.without_gradient = 0 if carries_gradient else self.without_gradient + 1

    def note_critic_step(self) -> None:
        """Count a critic step."""
        self.critic_steps += 1

    def note_reward(self) -> None:
        """Count a call of `reward`."""
        self.rewards += 1

    def note_step_before_start(self) -> None:
        """Note that the critic has not set in at this step."""
        self.losses_before_start = self.player_losses

    def look(
        self, critic: nn.Module, accuracy: float = math.nan, step_cosine: float = math.nan
    ) -> None:
        """Keep some of the critic's weights, unless the head was not called since the last look."""
        newest = self.looks[-1] if self.looks else None
        if newest is not None and (newest.critic_steps, newest.player_losses) == self._counts():
            return
        self.looks.append(Look(*self._counts(), some_weights(critic), accuracy, step_cosine))
        del self.looks[:-KEPT]
        if self.idle_since is None or self.idle_since.critic_steps != self.critic_steps:
            self.idle_since = self.looks[-1]

    def critic_is_still(self) -> str:
        """Say since when the critic has not moved although the head was called; else nothing."""
        if len(self.looks) < 2:
            return ""
        before, now = self.looks[-2:]
        if self.idle_since is not None and before.critic_steps == now.critic_steps:
            # Frequent reports lie fewer losses apart than `PATIENCE`.
            before = self.idle_since
        if now.weights is None:
            return ""
        steps = now.critic_steps - before.critic_steps
        losses = now.player_losses - max(before.player_losses, self.losses_before_start)
        if steps == 0 and losses < PATIENCE:
            return ""
        if before.weights is None or not torch.equal(before.weights, now.weights):
            self.idle_since = now
            return ""
        done = f"{steps} critic steps" if steps else f"{losses} learner losses and no critic step"
        return f"its weights have not changed in {done}"

    def earlier_accuracy(self) -> float:
        """Return the best accuracy of the reports before the newest; NaN without any."""
        known = [look.accuracy for look in self.looks[:-1] if not math.isnan(look.accuracy)]
        return max(known, default=math.nan)

    def learner_is_detached(self) -> bool:
        """Return whether no loss of the learner so far, of several, carried a gradient."""
        return self.without_gradient == self.player_losses >= UNMOVED

    def steps_against_gradient(self) -> bool:
        """Return whether the critic's momentum raised its loss in each of the last reports."""
        last = self.looks[-REPORTS:]
        return len(last) == REPORTS and all(look.step_cosine < AGAINST for look in last)

    def _counts(self) -> tuple[int, int]:
        return self.critic_steps, self.player_losses

    def __deepcopy__(self, memo: dict[int, object]) -> "History":
        # A copy of a head begins its own history.
        return History()


@torch.no_grad()
def some_weights(critic: nn.Module) -> Tensor | None:
    """Return a few elements and the sum of each trained parameter, as one vector in fp32."""
    pieces: list[Tensor] = []
    for p in critic.parameters():
        if p.requires_grad and p.numel() and not hasattr(p, "placements"):
            flat = p.reshape(-1)
            pieces += [flat[:: max(1, len(flat) // ELEMENTS)][:ELEMENTS].float()]
            pieces += [flat.float().sum().reshape(1)]
    return torch.cat(pieces) if pieces else None
