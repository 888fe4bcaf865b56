"""Judge from one batch whether critic and learner still learn, in figures and in words."""

# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false
# (PyTorch's own annotations are partial)

import math
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from advlearn.core import critic_batch
from advlearn.core.critic_batch import CriticBatch, Samples, as_tuple, rows
from advlearn.core.modules import eval_mode, freeze
from advlearn.core.objective import Objective
from advlearn.core.regularizer import Regularizer

# The gradient below which nothing moves the learner, for data scaled to a spread of one.
DEAD = 1e-6
# The share of the data's spread below which the learner's samples are nearly one point.
COLLAPSED = 0.1
PERMUTATIONS = 199
LOOKED_AT = 256


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
            there are classes; near zero means collapse.
        p_value: Of an energy-distance permutation test between the sides, which needs no critic.
        penalties: Value of each regularizer's penalty.
        verdict: The same in words.
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

    def __str__(self) -> str:
        return self.verdict


def diagnose(
    critic: nn.Module,
    objective: Objective,
    regularizers: Sequence[Regularizer],
    real: Samples,
    fake: Samples,
) -> Health:
    """Examine one batch in evaluation mode; no buffer and no random state is changed.

    Args:
        critic: The critic.
        objective: Its objective.
        regularizers: Its regularizers.
        real: Real samples (N, ...), or a tuple of tensors.
        fake: Fake samples (M, ...), like `real`.

    Returns:
        The figures and the verdict.
    """
    devices = [part.device for part in as_tuple(real) if part.device.type == "cuda"]
    modules = (critic, objective, *regularizers)
    with torch.random.fork_rng(devices=devices), eval_mode(critic), _buffers_kept(modules):
        with freeze(critic), torch.enable_grad():
            gradient = _gradient_to_learner(critic, objective, regularizers, real, fake)
        batch = _scored(critic, real, fake)
        penalties = {type(r).__name__: r.penalty(batch) for r in regularizers}
        with torch.no_grad():
            spread, of_class = _relative_spread(real, fake)
            figures = {
                "player_gradient": gradient * _spread(real),
                "accuracy": float(_ranked(objective, batch)),
                "critic_loss": float(objective.critic_loss(batch)),
                "loss_at_chance": objective.loss_at_chance,
                "divergence_estimate": float(objective.divergence_estimate(batch)),
                "spread": spread,
                "p_value": _two_sample_p_value(_points(real, fake), _points(fake, real)),
            }
    values = {name: float(p.detach()) for name, p in penalties.items() if p is not None}
    verdict = _words(**figures, noise=_ranking_noise(real, fake), of_class=of_class)
    return Health(**figures, penalties=values, verdict=verdict)


def _scored(critic: nn.Module, real: Samples, fake: Samples) -> CriticBatch:
    apart = critic_batch.mixes_samples(critic)
    scores = critic_batch.score_both(critic, real, fake, apart=apart)
    return CriticBatch(critic, real, fake, *scores)


@contextmanager
def _buffers_kept(modules: Sequence[nn.Module]) -> Generator[None]:
    """Restore every buffer at the end: a diagnosis must not change what it examines."""
    before = [(b, b.clone()) for module in modules for b in module.buffers()]
    try:
        yield
    finally:
        with torch.no_grad():
            for buffer, value in before:
                buffer.copy_(value)


def _gradient_to_learner(
    critic: nn.Module,
    objective: Objective,
    regularizers: Sequence[Regularizer],
    real: Samples,
    fake: Samples,
) -> float:
    """Return the mean norm of the gradient that the fake samples receive."""
    parts = tuple(p.detach().clone().requires_grad_(p.is_floating_point()) for p in as_tuple(fake))
    moving = [p for p in parts if p.requires_grad]
    batch = _scored(critic, real, parts if isinstance(fake, tuple) else parts[0])
    # Penalties on the learner count too: with feature matching they may be all it receives.
    penalties = [regularizer.player_penalty(batch) for regularizer in regularizers]
    terms = [objective.player_loss(batch), *(p for p in penalties if p is not None)]
    loss = torch.stack(terms).sum()
    if not loss.requires_grad:
        return 0.0
    gradients = torch.autograd.grad(loss, moving, allow_unused=True)
    squares = [rows(g).square().sum(1) for g in gradients if cast(Tensor | None, g) is not None]
    return float(torch.stack(squares).sum(0).sqrt().mean() * len(parts[0])) if squares else 0.0


def _ranked(objective: Objective, met: CriticBatch) -> Tensor:
    """Share of pairs in which the real sample scores higher; ties count half."""
    real, fake = objective.ranking(met)
    return (torch.sign(real[:, None] - fake[None, :]).mean() + 1) / 2


def _points(samples: Samples, others: Samples) -> Tensor:
    """All parts of the samples as points (n, d), at most `LOOKED_AT` of them; classes as one-hot vectors.

    A class counts as much as all numbers together: where the sides differ only in how the two go
    together, neither alone would tell.
    """
    parts = [p[:LOOKED_AT].detach() for p in as_tuple(samples)]
    numbers = torch.cat([rows(p).double() for p in parts if p.is_floating_point()], 1)
    scale = numbers.std(0).norm().nan_to_num().clamp(min=1e-12)
    columns = [numbers]
    for p, other in zip(parts, as_tuple(others), strict=True):
        if not p.is_floating_point():
            both = torch.cat([p.flatten(), other[:LOOKED_AT].flatten()])
            low, classes = int(both.min()), int(both.max() - both.min()) + 1
            columns.append(scale * one_hot(p - low, classes).double())
    return torch.cat(columns, 1)


def _spread(samples: Samples) -> float:
    part = next(p for p in as_tuple(samples) if p.is_floating_point())
    points = rows(part[:LOOKED_AT].detach()).double()
    return float((points - points.roll(1, 0)).norm(dim=1).mean())


def _relative_spread(real: Samples, fake: Samples) -> tuple[float, str]:
    """How far the fakes spread, of how far the data do, and how that was seen.

    Compared are samples of one class where both sides have two of one, else any samples.
    """
    ours, theirs = _gaps_within(fake), _gaps_within(real)
    if len(ours) and len(theirs):
        return float(ours.mean()) / max(float(theirs.mean()), 1e-12), ", class by class"
    return _spread(fake) / max(_spread(real), 1e-12), ""


def _gaps_within(samples: Samples) -> Tensor:
    """Distances between samples of one class; none without classes."""
    parts = [rows(p[:LOOKED_AT].detach()) for p in as_tuple(samples)]
    points = next(p for p in parts if p.is_floating_point()).double()
    labels = [p.long() for p in parts if not p.is_floating_point()]
    if not labels:
        return points.new_empty(0)
    label, order = torch.unique(torch.cat(labels, 1), dim=0, return_inverse=True)[1].sort(
        stable=True
    )
    points = points[order]
    return (points[1:] - points[:-1]).norm(dim=1)[label[1:] == label[:-1]]


def _two_sample_p_value(real: Tensor, fake: Tensor) -> float:
    """Permutation p-value of the energy distance between two sets of points."""
    joined = torch.cat([real, fake])
    n, total = len(real), len(joined)
    distances = torch.cdist(joined, joined)
    generator = torch.Generator().manual_seed(0)
    orders = [
        torch.arange(total),
        *(torch.randperm(total, generator=generator) for _ in range(PERMUTATIONS)),
    ]
    signs = torch.empty(len(orders), total, dtype=distances.dtype)
    for row, order in zip(signs, orders, strict=True):
        row[order[:n]], row[order[n:]] = 1 / n, -1 / (total - n)
    signs = signs.to(distances.device)
    energies = -torch.einsum("ki,ij,kj->k", signs, distances, signs)
    return float((energies >= energies[0] - 1e-12).double().mean())


def _ranking_noise(real: Samples, fake: Samples) -> float:
    """Two standard errors of the share of rightly ranked pairs where the sides are alike (Mann-Whitney)."""
    n, m = critic_batch.count(real), critic_batch.count(fake)
    return 2 * math.sqrt((n + m + 1) / (12 * n * m))


def _words(
    player_gradient: float,
    accuracy: float,
    critic_loss: float,
    loss_at_chance: float,
    divergence_estimate: float,
    spread: float,
    p_value: float,
    noise: float,
    of_class: str,
) -> str:
    """The figures as one clause a person can act on, the most serious finding first."""
    if not all(map(math.isfinite, (player_gradient, critic_loss, spread))):
        return "not finite: the critic's loss or its gradient overflowed"
    if player_gradient < DEAD:
        state = "saturated" if accuracy > 0.9 else "dead"
        return f"critic {state}: gradient to the learner {player_gradient:.0e}"
    if spread < COLLAPSED:
        return f"learner collapsed: its samples spread {spread:.0%} of the data's{of_class}"
    sits = f"loss {critic_loss:.3f}" + (
        f" of {loss_at_chance:.3f} at chance"
        if math.isfinite(loss_at_chance) and loss_at_chance
        else ""
    )
    if abs(accuracy - 0.5) < noise:
        if p_value < 0.01:
            return f"critic blind: {sits}, yet a test on the samples tells them apart (p = {p_value:.3f})"
        return f"indistinguishable: {sits}, and no test on this batch tells the sides apart (p = {p_value:.2f})"
    if accuracy < 0.5:
        return f"critic inverted: it ranks {accuracy:.0%} of pairs rightly, {sits}"
    if accuracy > 0.98:
        return f"critic winning: it ranks {accuracy:.0%} of pairs rightly, {sits}, gradient {player_gradient:.1e}"
    return f"in balance: the critic ranks {accuracy:.0%} of pairs rightly, {sits}"
