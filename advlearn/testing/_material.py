"""What the checks are made on: small smooth critics, samples and scores that are the same at every call."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples, mixes_samples, score_both
from advlearn.core.objective import CriticOutput, Objective

N = 6
CLASSES = 3


P = ParamSpec("P")


def seeded(check: Callable[P, None]) -> Callable[P, None]:
    """The check with random numbers of its own: the same every time, and none of the caller's."""

    @wraps(check)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            check(*args, **kwargs)

    return run


class fixed_seed:
    """Seed the global generator for the length of a block, and restore it afterwards."""

    def __init__(self, seed: int = 5) -> None:
        self.seed = seed

    def __enter__(self) -> None:
        self.before = torch.get_rng_state()
        torch.manual_seed(self.seed)

    def __exit__(self, *_: object) -> None:
        torch.set_rng_state(self.before)


def hold(condition: bool, name: str, subject: object, what: str) -> None:
    """Raise the one line that says which property failed, of what, and how."""
    if not condition:
        raise AssertionError(f"{name}: {subject!r}: {what}")


def close(a: Tensor, b: Tensor, tolerance: float) -> bool:
    """Whether two tensors differ by no more than `tolerance`, relative to the larger of one and `b`."""
    return bool(((a - b).abs() <= tolerance * b.abs().clamp(min=1)).all())


def number(x: Tensor) -> float:
    """A scalar tensor's value, for words and comparisons."""
    return float(x.detach())


def draw(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    """Normal numbers of a private generator."""
    return torch.randn(
        *shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64
    ).to(dtype)


def sides(dtype: torch.dtype = torch.float64, n: int = N) -> tuple[Tensor, Tensor]:
    """Real and fake samples (n, 2) of two laws that overlap."""
    return draw(n, 2, seed=1, dtype=dtype), draw(n, 2, seed=2, dtype=dtype) * 0.7 + 0.5


def labelled(dtype: torch.dtype = torch.float64) -> tuple[Samples, Samples]:
    """The same as pairs of a vector and a class."""
    real, fake = sides(dtype)
    y = torch.arange(N) % CLASSES
    return (real, y), (fake, y.flip(0))


def critic(
    score: CriticOutput = "logit", dtype: torch.dtype = torch.float64, *, classes: int = 0
) -> nn.Module:
    """A smooth critic of the samples of `sides`, or of `labelled`, with the score an objective asks for."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        width = 2 + (2 if classes else 0)
        if score == "density":
            return _Conditional().to(dtype)
        outputs = {"logit": 1, "energy": width, "vector": 3, "classes": 4}[score]
        first = nn.Linear(width, 5)
        body = nn.Sequential(first, nn.Tanh(), nn.Linear(5, outputs))
        if score != "energy":  # steep enough for penalties that leave a flat critic alone
            with torch.no_grad():
                first.weight.mul_(3)
        return _Critic(body, nn.Embedding(classes, 2) if classes else None, score == "energy").to(
            dtype
        )


def linear(dtype: torch.dtype = torch.float64) -> nn.Module:
    """A critic with one slope everywhere."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(4)
        layer = nn.Linear(2, 1)
        nn.init.constant_(layer.weight, 1.5)
        return nn.Sequential(layer).to(dtype)


def scores(
    score: CriticOutput, dtype: torch.dtype = torch.float64, *, n: int = N, width: int = 3
) -> tuple[Tensor, Tensor]:
    """Real and fake scores as a good critic gives them: the sides lie apart."""
    u, v = draw(n, seed=5).sigmoid().to(dtype), draw(n, seed=6).sigmoid().to(dtype)
    if score in ("logit", "density"):
        return 0.1 + 0.8 * u, -0.1 - 0.8 * v
    if score == "energy":
        return -0.1 - 0.3 * u, -0.5 - 0.4 * v
    # A vector lies near the corner of its side; class logits say "one of them" or "none of them".
    corners = torch.eye(width, dtype=dtype)[:2]
    centres = (
        3 * corners if score == "vector" else torch.stack([3 * corners[0], 0 * corners[0] - 2])
    )
    noise = 0.3 * draw(2, n, width, seed=7, dtype=dtype)
    return centres[0] + noise[0], centres[1] + noise[1]


def of_scores(real_scores: Tensor, fake_scores: Tensor) -> CriticBatch:
    """A contest of given scores, on samples that have nothing to do with them."""
    real = draw(len(real_scores), 2, seed=1, dtype=real_scores.dtype)
    fake = draw(len(fake_scores), 2, seed=2, dtype=real_scores.dtype) * 0.7 + 0.5
    return CriticBatch(linear(real_scores.dtype), real, fake, real_scores, fake_scores)


def meet(critic: nn.Module, real: Samples, fake: Samples) -> CriticBatch:
    """A contest of a critic, scored as an adversary scores it."""
    return CriticBatch(
        critic, real, fake, *score_both(critic, real, fake, apart=mixes_samples(critic))
    )


def played(objective: Objective, dtype: torch.dtype = torch.float64) -> CriticBatch:
    """A contest of a critic with the score that `objective` asks for."""
    return meet(critic(objective.critic_output, dtype), *sides(dtype))


class _Conditional(nn.Module):
    """The log ratio of two normal densities of a sample's second number, without and with its first one."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(0.3))

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        return (x[:, 1] - self.slope * x[:, 0]).square() / 2 - x[:, 1].square() / 2


class _Critic(nn.Module):
    """A body on samples, and a class beside them where there is one; as an energy, minus its error."""

    def __init__(self, body: nn.Module, embedding: nn.Embedding | None, energy: bool) -> None:
        super().__init__()
        self.body = body
        self.embedding = embedding
        self.energy = energy

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        x = x if self.embedding is None or y is None else torch.cat([x, self.embedding(y)], 1)
        out = self.body(x)
        return -(out - x).square().mean(1) if self.energy else out
