"""The figures of a health report that need the critic: scores, losses and gradients.

Large samples are scored and differentiated on a part of the batch, so that a report costs less than
a critic step.
"""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import math
import sys
from collections.abc import Generator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any, TypedDict, final

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from advlearn.core import distributed, samples
from advlearn.core.critic_batch import (
    CriticBatch,
    batches_of_outputs,
    joined_batch,
    mean_of,
    mixes_samples,
    per_sample,
)
from advlearn.core.health_gradients import norms_per_sample, step_cosine
from advlearn.core.health_history import History
from advlearn.core.losses import term_names
from advlearn.core.modules import eval_mode
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer
from advlearn.core.samples import Conditions, Samples
from advlearn.core.scores import outputs_of_both

# A part of the batch has as many samples as have together this many numbers, within bounds.
NUMBERS = 1 << 18
FEWEST_SCORED = 16
FEWEST_DIFFERENTIATED = 4
LARGEST = 256


class Known(TypedDict, total=False):
    """Name the parts of a head that a report can do without, as in `HeadParts`."""

    conditions: Conditions
    apart: bool | None
    optimizer: torch.optim.Optimizer | None
    history: History
    own_accuracy: float
    adversarial_weight: float


@final
@dataclass(frozen=True, slots=True)
class HeadParts:
    """Hold the parts of an adversary that a report looks at.

    Args:
        critic: The critic.
        objective: Its objective.
        regularizers: Its regularizers.
        conditions: Parts of the samples that are conditions.
        apart: Whether real and fake samples are scored separately; found out if None.
        optimizer: The critic's optimizer, for its momentum.
        history: What the adversary noted of its calls.
        own_accuracy: Accuracy in the critic's last own loss; NaN if unknown.
        adversarial_weight: Weight of the learner's adversarial loss.
    """

    critic: nn.Module
    objective: Objective
    regularizers: Sequence[Regularizer] = ()
    conditions: Conditions = samples.NO_CONDITIONS
    apart: bool | None = None
    optimizer: torch.optim.Optimizer | None = None
    history: History = field(default_factory=History)
    own_accuracy: float = math.nan
    adversarial_weight: float = 1.0


@final
@dataclass(frozen=True, slots=True)
class CriticFigures:
    """Hold what the critic says of a batch.

    Args:
        scored: Number of real and fake samples that were scored.
        player_gradient: Mean norm of the gradient of the learner's loss at a fake sample.
        norm_at_fakes: Norm of the adversarial gradient at all fake samples of the batch.
        accuracy: As in `Health`.
        critic_loss: As in `Health`.
        divergence_estimate: As in `Health`.
        reward_spread: As in `Health`.
        step_cosine: As in `Health`.
        penalties: As in `Health`.
    """

    scored: tuple[int, int]
    player_gradient: float
    norm_at_fakes: float
    accuracy: float
    critic_loss: float
    divergence_estimate: float
    reward_spread: float
    step_cosine: float
    penalties: dict[str, float]


@final
@dataclass(frozen=True, slots=True)
class _Sides:
    """Hold both sides of a batch with their weights, or a part of them."""

    real: Samples
    fake: Samples
    real_weights: Tensor | None
    fake_weights: Tensor | None

    def part(self, fewest: int) -> "_Sides":
        return _Sides(
            _part(self.real, self.real, fewest),
            _part(self.fake, self.fake, fewest),
            _part(self.real_weights, self.real, fewest),
            _part(self.fake_weights, self.fake, fewest),
        )

    @property
    def weights(self) -> tuple[Tensor | None, Tensor | None]:
        return self.real_weights, self.fake_weights

    @property
    def sizes(self) -> tuple[int, int]:
        return samples.count(self.real), samples.count(self.fake)


@final
@dataclass(frozen=True, slots=True)
class _Scored:
    """Hold two sides with their scores, for the objective and for the regularizers."""

    batches: Sequence[CriticBatch]
    joined: CriticBatch
    leaves: Sequence[Tensor]


def figures_of_critic(
    head: HeadParts,
    real: Samples,
    fake: Samples,
    weights: tuple[Tensor | None, Tensor | None] = (None, None),
) -> CriticFigures:
    """Score a part of the batch, and differentiate the losses of a part of that.

    Args:
        head: The parts of the adversary.
        real: Real samples (N, ...), or a tuple, list or dict of tensors.
        fake: Fake samples (M, ...), like `real`.
        weights: Weights of both sides, (N,) and (M,) or of the scores' shape.

    Returns:
        The figures.
    """
    # A statistic of the batch is not that of a part.
    apart = mixes_samples(head.critic) if head.apart is None else head.apart
    whole = _Sides(real, fake, *weights)
    seen = whole if apart else whole.part(FEWEST_SCORED)
    felt = whole if apart else whole.part(FEWEST_DIFFERENTIATED)
    with torch.enable_grad():
        differentiated = _scored(head, felt, apart)
        norms, cosine, penalties = _gradients(head, differentiated)
    with torch.no_grad():
        same = seen.sizes == felt.sizes
        scored = differentiated if same else _scored(head, seen, apart)
        objective, batches = head.objective, scored.batches
        squares = 0.0 if norms is None else float(norms.square().mean())
        return CriticFigures(
            scored=seen.sizes,
            player_gradient=0.0 if norms is None else float(norms.mean()),
            # The norms are those of a mean's gradient times the number of samples.
            norm_at_fakes=head.adversarial_weight * math.sqrt(squares / samples.count(fake)),
            accuracy=float(mean_of([_ranked(objective, batch) for batch in batches])),
            critic_loss=float(mean_of([objective.critic_loss(batch) for batch in batches])),
            divergence_estimate=float(
                mean_of([objective.divergence_estimate(batch) for batch in batches])
            ),
            reward_spread=_reward_spread(objective, batches) if head.history.rewards else math.nan,
            step_cosine=cosine,
            penalties=penalties,
        )


def _scored(head: HeadParts, of: _Sides, apart: bool) -> _Scored:
    """Score both sides; with gradients enabled, fake samples are leaves of the graph."""
    leaves: list[Tensor] = []

    def leaf(x: Tensor) -> Tensor:
        leaves.append(x.detach().requires_grad_(torch.is_grad_enabled()))
        return leaves[-1]

    critic = _unwrapped(head.critic)
    real = samples.detach(of.real)
    sides = real, samples.map_moving(leaf, of.fake, conditions=head.conditions)
    outputs = outputs_of_both(critic, *sides, apart=apart)
    return _Scored(
        batches_of_outputs(critic, sides, outputs, of.weights),
        joined_batch(critic, sides, outputs, of.weights),
        leaves,
    )


def _gradients(head: HeadParts, scored: _Scored) -> tuple[Tensor | None, float, dict[str, float]]:
    """Return the norms at the fake samples, the step's cosine, and the penalties."""
    # Penalties on the learner count too: with feature matching they may be all it receives.
    felt = [regularizer.player_penalty(scored.joined) for regularizer in head.regularizers]
    loss = mean_of([head.objective.player_loss(batch) for batch in scored.batches])
    loss = torch.stack([loss, *(p for p in felt if p is not None)]).sum()
    norms = norms_per_sample(loss, scored.leaves)
    batch = replace(scored.joined, fake=samples.detach(scored.joined.fake))
    values = [regularizer.penalty(batch) for regularizer in head.regularizers]
    named = zip(term_names(head.regularizers), values, strict=True)
    penalties = {name: value for name, value in named if value is not None}
    own = mean_of([head.objective.critic_loss(batch) for batch in scored.batches])
    cosine = step_cosine(torch.stack([own, *penalties.values()]).sum(), head.optimizer)
    return norms, cosine, {name: float(value.detach()) for name, value in penalties.items()}


def _ranked(objective: Objective, batch: CriticBatch) -> Tensor:
    """Return the share of pairs in which the real sample scores higher; ties count half."""
    real, fake = objective.ranking(batch)
    of_real, of_fake = (
        torch.ones_like(scores) if weights is None else per_sample(weights).to(scores)
        for scores, weights in ((real, batch.real_weights), (fake, batch.fake_weights))
    )
    weights_of_pairs = of_real[:, None] * of_fake[None, :]
    won = (torch.sign(real[:, None] - fake[None, :]) * weights_of_pairs).sum()
    return (won / weights_of_pairs.sum() + 1) / 2


def _reward_spread(objective: Objective, batches: Sequence[CriticBatch]) -> float:
    """Return the range of the rewards of the fake samples over the largest of them in size."""
    rewards = mean_of([objective.reward(batch) for batch in batches])
    if len(rewards) < 2:
        return math.nan
    largest = float(rewards.abs().max())
    return float(rewards.max() - rewards.min()) / largest if largest else 0.0


def _part(values: Any, side: Samples, fewest: int) -> Any:
    """Return the values of a part of the samples, spread evenly: `fewest` if they are large."""
    n = samples.count(side)
    numbers = sum(x.numel() for x in samples.tensors(side)) // n
    wanted = min(n, LARGEST, max(fewest, NUMBERS // max(numbers, 1)))
    every = n // wanted

    def taken(x: Tensor) -> Tensor:
        return x[: every * wanted : every]

    return samples.map_tensors(taken, values)


def _unwrapped(critic: nn.Module) -> nn.Module:
    """Return the critic without its wrapper, which would talk to the other processes."""
    return critic.module if isinstance(critic, DistributedDataParallel) else critic


@contextmanager
def as_it_was(head: HeadParts, device: torch.device) -> Generator[None]:
    """Evaluate the critic in this process only, and restore modes, buffers and random state."""
    modules = (head.critic, head.objective, *head.regularizers)
    with ExitStack() as stack:
        stack.enter_context(distributed.only_this_process())
        stack.enter_context(_uncompiled())
        devices = [device] if device.type == "cuda" else []
        stack.enter_context(torch.random.fork_rng(devices=devices))
        stack.enter_context(eval_mode(head.critic))
        before = [(b, b.clone()) for module in modules for b in module.buffers()]
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in before:
                    buffer.copy_(value)


def _uncompiled() -> AbstractContextManager[Any]:
    """Run compiled critics as they were written: their graphs serve for one backward pass only."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    return torch.compiler.set_stance("force_eager")
