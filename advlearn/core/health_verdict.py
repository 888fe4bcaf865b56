"""The verdict on a head: its figures as one clause that a person can act on.

`docs/health.md` has a row for each verdict.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

# The gradient below which nothing moves the learner, for data scaled to a spread of one.
DEAD = 1e-6
# The share of the data's spread below which the learner's samples are nearly one point.
COLLAPSED = 0.1
# The share of the loss at chance by which a loss is above it beyond noise; and where no test tells
# the sides apart, so that a critic that was right before has nothing to be right about.
ABOVE = 0.05
FAR_ABOVE = 1.0
# The p-value below which a test tells the sides apart.
DIFFERENT = 0.01
# The ratio of two gradients above which the smaller one has no effect.
APART = 1e3
# The spread of the rewards, relative to their size, below which they are constant.
CONSTANT = 1e-6


@final
@dataclass(frozen=True, slots=True)
class Findings:
    """Hold what a report found, for the verdict.

    Args:
        samples: Number of real and fake samples.
        player_gradient: As in `Health`.
        accuracy: As in `Health`.
        noise: Two standard errors of `accuracy` at chance.
        shared: Whether both sides are the same samples, one of them with a permuted part.
        critic_loss: As in `Health`.
        loss_at_chance: As in `Health`.
        spread: As in `Health`.
        of_class: How the spread was compared, in words.
        p_value: As in `Health`.
        gradient_ratio: As in `Health`.
        reward_spread: As in `Health`.
        step_cosine: As in `Health`.
        still: Since when the critic has not moved, in words; empty where it moves.
        detached_losses: Losses of the learner, if none of them carried a gradient.
        own_accuracy: Accuracy in the critic's last own loss; NaN if unknown.
        earlier_accuracy: Best accuracy of the last reports; NaN without any.
        steps_against_gradient: Whether the momentum raised the loss in each of the last reports.
    """

    samples: tuple[int, int]
    player_gradient: float
    accuracy: float
    noise: float
    shared: bool
    critic_loss: float
    loss_at_chance: float
    spread: float
    of_class: str
    p_value: float
    gradient_ratio: float
    reward_spread: float
    step_cosine: float
    still: str
    detached_losses: int
    own_accuracy: float
    earlier_accuracy: float
    steps_against_gradient: bool

    @property
    def sits(self) -> str:
        """The loss in words, with its value at chance where there is one."""
        known = math.isfinite(self.loss_at_chance) and self.loss_at_chance != 0
        at_chance = f" of {self.loss_at_chance:.3f} at chance" if known else ""
        return f"loss {self.critic_loss:.3f}{at_chance}"

    @property
    def ranks(self) -> str:
        """The accuracy and the loss in words."""
        return f"it ranks {self.accuracy:.0%} of pairs rightly, {self.sits}"

    @property
    def sides_differ(self) -> bool:
        """Whether the test without a critic tells the sides apart."""
        return self.p_value < DIFFERENT

    @property
    def ranks_rightly(self) -> bool:
        """Whether the critic scores real samples above fake ones, beyond noise."""
        return self.accuracy > 0.5 + self.noise

    @property
    def ranks_wrongly(self) -> bool:
        """Whether the critic scores fake samples above real ones, beyond noise."""
        # Independent parts give a critic nothing to rank, whichever way it leans on this batch.
        if self.shared and not self.sides_differ:
            return False
        # Where the sides are alike, a critic that fits noise is wrong on the next batch.
        return self.accuracy < 0.5 - self.noise * (1 if self.sides_differ else 2)

    @property
    def is_at_chance(self) -> bool:
        """Whether the critic ranks the sides as if they were alike."""
        return not self.ranks_rightly and not self.ranks_wrongly

    def is_above_chance(self, share: float) -> bool:
        """Return whether the loss is above its value at chance, by a share of that."""
        chance = self.loss_at_chance
        return chance != 0 and self.critic_loss > chance + share * abs(chance)


def verdict(found: Findings) -> str:
    """Return the most serious finding in words."""
    faults = (text for fault in FAULTS if (text := fault(found)))
    return next(faults, None) or _progress(found)


def _not_finite(found: Findings) -> str | None:
    figures = (found.player_gradient, found.critic_loss, found.accuracy)
    if all(map(math.isfinite, figures)):
        return None
    return "not finite: the critic's loss or its gradient overflowed"


def _no_gradient(found: Findings) -> str | None:
    if not found.detached_losses:
        return None
    return (
        f"learner detached: the samples of all {found.detached_losses} learner losses carried no "
        "gradient"
    )


def _too_few(found: Findings) -> str | None:
    # With fewer samples no ranking is beyond noise.
    if found.noise < 0.5:
        return None
    n, m = found.samples
    return (
        f"too few samples: got {n} real and {m} fake, at least 2 of each side are needed for their "
        f"spread and 4 for a verdict; {found.sits}"
    )


def _still(found: Findings) -> str | None:
    return f"critic still: {found.still}" if found.still else None


def _dead(found: Findings) -> str | None:
    if not found.player_gradient < DEAD:
        return None
    state = "saturated" if found.accuracy > 0.9 else "dead"
    return f"critic {state}: gradient to the learner {found.player_gradient:.0e}"


def _constant_rewards(found: Findings) -> str | None:
    if not found.reward_spread < CONSTANT:
        return None
    return f"rewards constant: every sample gets the same reward, {found.ranks}"


def _collapsed(found: Findings) -> str | None:
    if not found.spread < COLLAPSED:
        return None
    return f"learner collapsed: its samples spread {found.spread:.0%} of the data's{found.of_class}"


def _inverted(found: Findings) -> str | None:
    if not found.ranks_wrongly:
        return None
    if found.critic_loss < found.loss_at_chance:
        return f"critic inverted: {found.ranks}"
    if found.own_accuracy > 0.5 + found.noise:
        return f"critic inverted: {found.ranks}, and {found.own_accuracy:.0%} in its own last loss"
    return None


def _lagging(found: Findings) -> str | None:
    was_right = found.earlier_accuracy > 0.5 + found.noise
    if not (found.ranks_wrongly and was_right) or found.is_above_chance(FAR_ABOVE):
        return None
    return f"critic lagging: {found.ranks}, after {found.earlier_accuracy:.0%} in an earlier report"


def _diverged(found: Findings) -> str | None:
    alike = found.is_at_chance and not found.sides_differ
    if found.ranks_wrongly or found.is_above_chance(FAR_ABOVE if alike else ABOVE):
        return f"critic untrained or diverged: {found.ranks}"
    return None


def _apart(found: Findings) -> str | None:
    ratio = found.gradient_ratio
    if not (ratio > APART or 0 < ratio < 1 / APART):
        return None
    larger, times = ("adversarial", ratio) if ratio > 1 else ("task", 1 / ratio)
    return f"gradients apart: the {larger} gradient is {times:.0f} times the other"


def _against(found: Findings) -> str | None:
    if not found.steps_against_gradient:
        return None
    return (
        "critic unstable: its steps point against its gradient, with a cosine of "
        f"{found.step_cosine:.2f}, in each of the last reports"
    )


FAULTS: tuple[Callable[[Findings], str | None], ...] = (
    _not_finite,
    _no_gradient,
    _too_few,
    _still,
    _dead,
    _constant_rewards,
    _collapsed,
    _inverted,
    _lagging,
    _diverged,
    _apart,
    _against,
)


def _progress(found: Findings) -> str:
    """Return how far the game is, where no fault was found."""
    if found.is_at_chance:
        if found.sides_differ and found.shared:
            return (
                f"critic blind: {found.sits}, yet a test finds the two parts of the samples "
                f"dependent (p = {found.p_value:.3f})"
            )
        if found.sides_differ:
            return (
                f"critic blind: {found.sits}, yet a test on the samples tells them apart "
                f"(p = {found.p_value:.3f})"
            )
        if found.shared:
            return (
                f"indistinguishable: {found.sits}, and a test of independence finds none on this "
                f"batch (p = {found.p_value:.2f}); measure the disparity of all samples"
            )
        return (
            f"indistinguishable: {found.sits}, and no test on this batch tells the sides apart "
            f"(p = {found.p_value:.2f})"
        )
    if found.accuracy > 0.98:
        return f"critic winning: {found.ranks}, gradient {found.player_gradient:.1e}"
    return f"in balance: the critic ranks {found.accuracy:.0%} of pairs rightly, {found.sits}"
