"""Small smooth critics, samples and scores for the checks, the same at every call."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples, mixes_samples, score_both
from advlearn.core.objective import CriticOutput, Objective
from advlearn.core.seeding import seed_torch

N = 6
CLASSES = 3


P = ParamSpec("P")


def seeded(check: Callable[P, None]) -> Callable[P, None]:
    """Run a check with a fixed seed, without changing the caller's random state."""

    @wraps(check)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with torch.random.fork_rng(devices=[]):
            seed_torch(0)
            check(*args, **kwargs)

    return run


class fixed_seed:
    """Seed the global generator for the length of a block, and restore it afterwards."""

    def __init__(self, seed: int = 5) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.before = torch.get_rng_state()
        seed_torch(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self.before)


def hold(condition: bool, name: str, subject: object, what: str) -> None:
    """Raise an AssertionError of one line unless the condition holds."""
    if not condition:
        raise AssertionError(f"{name}: {subject!r}: {what}")


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Return whether tensors differ by at most `tolerance`, relative to the larger of 1 and `b`."""
    return bool(((a - b).abs() <= tolerance * b.abs().clamp(min=1)).all())


def number(x: Tensor) -> float:
    """Return the value of a scalar tensor."""
    return float(x.detach())


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Draw normal numbers from a private generator."""
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


def sides(dtype: torch.dtype = torch.float64, n: int = N) -> tuple[Tensor, Tensor]:
    """Return real and fake samples (n, 2) of two overlapping distributions."""
    return draw(n, 2, seed=1, dtype=dtype), draw(n, 2, seed=2, dtype=dtype) * 0.7 + 0.5


def labelled(dtype: torch.dtype = torch.float64) -> tuple[Samples, Samples]:
    """Return the samples of `sides` as pairs of a vector and a class."""
    real, fake = sides(dtype)
    y = torch.arange(N) % CLASSES
    return (real, y), (fake, y.flip(0))


def critic(
    score: CriticOutput = "logit", dtype: torch.dtype = torch.float64, *, classes: int = 0
) -> nn.Module:
    """Build a smooth critic for the samples of `sides` or of `labelled`."""
    with torch.random.fork_rng(devices=[]):
        seed_torch(3)
        width = 2 + (2 if classes else 0)
        if score == "density":
            return _Conditional().to(dtype)
        outputs = {"logit": 1, "energy": width, "vector": 3, "classes": 4}[score]
        first = nn.Linear(width, 5)
        body = nn.Sequential(first, nn.Tanh(), nn.Linear(5, outputs))
        if score != "energy":  # steep enough for penalties that are zero for a flat critic
            with torch.no_grad():
                first.weight.mul_(3)
        return _Critic(body, nn.Embedding(classes, 2) if classes else None, score == "energy").to(
            dtype
        )


def linear(dtype: torch.dtype = torch.float64) -> nn.Module:
    """Build a linear critic."""
    with torch.random.fork_rng(devices=[]):
        seed_torch(4)
        layer = nn.Linear(2, 1)
        nn.init.constant_(layer.weight, 1.5)
        return nn.Sequential(layer).to(dtype)


def scores(
    score: CriticOutput, dtype: torch.dtype = torch.float64, *, n: int = N, width: int = 3
) -> tuple[Tensor, Tensor]:
    """Return real and fake scores of a good critic, which separates the sides."""
    u, v = draw(n, seed=5).sigmoid().to(dtype), draw(n, seed=6).sigmoid().to(dtype)
    if score in ("logit", "density"):
        return 0.1 + 0.8 * u, -0.1 - 0.8 * v
    if score == "energy":
        return -0.1 - 0.3 * u, -0.5 - 0.4 * v
    # Vectors are near the corner of their side; class logits mean one class or no class.
    corners = torch.eye(width, dtype=dtype)[:2]
    centres = (
        3 * corners if score == "vector" else torch.stack([3 * corners[0], 0 * corners[0] - 2])
    )
    noise = 0.3 * draw(2, n, width, seed=7, dtype=dtype)
    return centres[0] + noise[0], centres[1] + noise[1]


def of_scores(real_scores: Tensor, fake_scores: Tensor) -> CriticBatch:
    """Build a batch of given scores, on unrelated samples."""
    real = draw(len(real_scores), 2, seed=1, dtype=real_scores.dtype)
    fake = draw(len(fake_scores), 2, seed=2, dtype=real_scores.dtype) * 0.7 + 0.5
    return CriticBatch(linear(real_scores.dtype), real, fake, real_scores, fake_scores)


def meet(critic: nn.Module, real: Samples, fake: Samples) -> CriticBatch:
    """Build a batch with the scores that an adversary would compute."""
    return CriticBatch(
        critic, real, fake, *score_both(critic, real, fake, apart=mixes_samples(critic))
    )


def scored_batch(objective: Objective, dtype: torch.dtype = torch.float64) -> CriticBatch:
    """Build a batch scored by a critic with the output that `objective` expects."""
    return meet(critic(objective.critic_output, dtype), *sides(dtype))


class _Conditional(nn.Module):
    """Score samples by the log ratio of two normal densities of the second coordinate."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (x[:, 1] - self.slope * x[:, 0]).square() / 2 - x[:, 1].square() / 2


class _Critic(nn.Module):
    """Score samples, with an embedded class if given, by a network or its negated error."""

    def __init__(self, body: nn.Module, embedding: nn.Embedding | None, energy: bool) -> None:
        super().__init__()
        self.body = body
        self.embedding = embedding
        self.energy = energy

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = x if self.embedding is None or y is None else torch.cat([x, self.embedding(y)], 1)
        out = self.body(x)
        return -(out - x).square().mean(1) if self.energy else out
