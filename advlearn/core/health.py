"""Judge from one batch whether critic and learner still learn, in figures and in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Unpack, final

import torch
from torch import Tensor, nn

from advlearn.core import samples
from advlearn.core.health_critic import HeadParts, Known, as_it_was, figures_of_critic
from advlearn.core.health_statistics import (
    ranking_noise,
    relative_spread,
    spread,
    two_sample_p_value,
)
from advlearn.core.health_verdict import Findings, verdict
from advlearn.core.independence import shared_sides
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import Samples


@final
@dataclass(frozen=True, slots=True)
class Health:
    """What the last batch says.

    Args:
        player_gradient: Mean over the samples of the norm of the learner's loss gradient at a
            sample, times the spread of the real samples; zero means that the critic teaches
            nothing.
        accuracy: Share of (real, fake) pairs that the critic ranks rightly; 0.5 is chance.
        critic_loss: The critic's loss without penalties.
        loss_at_chance: The loss it would sit at if it could not tell the sides apart; NaN where
            there is no such constant.
        divergence_estimate: The divergence the critic has found, ``loss_at_chance - critic_loss``
            or the set distance.
        spread: Mean distance between fake samples over that between real ones, of one class where
            there are classes, and of the part that spreads least; near zero means collapse.
        p_value: Of an energy-distance permutation test between the sides, which needs no critic; of
            a test of independence where the sides are the same samples with a permuted part.
        penalties: Value of each regularizer's penalty.
        verdict: The same in words.
        reward_spread: Range of the rewards of both sides over the largest of them in size; NaN
            where no rewards were asked for.
        gradient_ratio: Norm of the adversarial gradient over that of the task's, where the latter
            is known, else NaN.
        step_cosine: Cosine of the critic's momentum and the direction that lowers its loss; NaN
            without momentum. Negative in every report means that training is unstable.
    """

    player_gradient: float
    accuracy: float
    critic_loss: float
    loss_at_chance: float
    divergence_estimate: float
    spread: float
    p_value: float
    penalties: dict[str, float] = field(default_factory=dict[str, float])
    verdict: str = ""
    reward_spread: float = math.nan
    gradient_ratio: float = math.nan
    step_cosine: float = math.nan

    def __str__(self) -> str:
        return self.verdict


def diagnose(
    critic: nn.Module,
    objective: Objective,
    regularizers: Sequence[Regularizer],
    real: Samples,
    fake: Samples,
    weights: tuple[Tensor | None, Tensor | None] = (None, None),
    *,
    task_gradient: float = math.nan,
    **known: Unpack[Known],
) -> Health:
    """Examine one batch in evaluation mode; no buffer and no random state is changed.

    It uses the samples of this process, so that one process can ask by itself; only a sharded
    critic needs all of them. It costs less than one critic step on this batch.

    Args:
        critic: The critic.
        objective: Its objective.
        regularizers: Its regularizers.
        real: Real samples (N, ...), or a tuple, list or dict of tensors.
        fake: Fake samples (M, ...), like `real`.
        weights: Weights of both sides, (N,) and (M,) or of the scores' shape. Samples of weight
            zero are left out; the losses and the accuracy are weighted, other figures are not.
        task_gradient: Norm of the gradient of the learner's task loss at the fake samples.
        known: More parts of the head, as in `HeadParts`; what is not given is not judged.

    Returns:
        The figures and the verdict.
    """
    head = HeadParts(critic, objective, regularizers, **known)
    real, real_weights = _weighing(real, weights[0])
    fake, fake_weights = _weighing(fake, weights[1])
    with as_it_was(head, samples.device_of(real)):
        found = figures_of_critic(head, real, fake, (real_weights, fake_weights))
    history = head.history
    with torch.no_grad():
        history.look(head.critic, found.accuracy, found.step_cosine)
        # A single sample has no spread: its gradient is given as it is.
        scale = spread(real, head.conditions)
        gradient = found.player_gradient * (1.0 if math.isnan(scale) else scale)
        relative, of_class = relative_spread(real, fake, head.conditions)
        p_value = two_sample_p_value(real, fake)
        shared = shared_sides(real, fake)
    # Repeated samples say as much as the different ones among them.
    sizes = found.scored if shared is None else (min(shared.effective, n) for n in found.scored)
    chance = head.objective.loss_at_chance
    ratio = found.norm_at_fakes / task_gradient if task_gradient else math.inf
    words = verdict(
        Findings(
            samples=found.scored,
            player_gradient=gradient,
            accuracy=found.accuracy,
            noise=ranking_noise(*sizes),
            shared=shared is not None,
            critic_loss=found.critic_loss,
            loss_at_chance=chance,
            spread=relative,
            of_class=of_class,
            p_value=p_value,
            gradient_ratio=ratio,
            reward_spread=found.reward_spread,
            step_cosine=found.step_cosine,
            still="" if head.optimizer is None else history.critic_is_still(),
            detached_losses=history.without_gradient if history.learner_is_detached() else 0,
            own_accuracy=head.own_accuracy,
            earlier_accuracy=history.earlier_accuracy(),
            steps_against_gradient=history.steps_against_gradient(),
        )
    )
    return Health(
        player_gradient=gradient,
        accuracy=found.accuracy,
        critic_loss=found.critic_loss,
        loss_at_chance=chance,
        divergence_estimate=found.divergence_estimate,
        spread=relative,
        p_value=p_value,
        penalties=found.penalties,
        verdict=words,
        reward_spread=found.reward_spread,
        gradient_ratio=ratio,
        step_cosine=found.step_cosine,
    )


def _weighing(side: Samples, weights: Tensor | None) -> tuple[Samples, Tensor | None]:
    """Return the samples with a weight above zero, and their weights; all if there is none."""
    if weights is None:
        return side, None
    counts = weights.flatten(1).sum(1) > 0 if weights.ndim > 1 else weights > 0
    if not counts.any():
        return side, None

    def counting(x: Tensor) -> Tensor:
        return x[counts]

    return samples.map_tensors(counting, side), weights[counts]
