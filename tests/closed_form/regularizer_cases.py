"""Define critics with known gradients, and checks that the test of every regularizer uses."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples, mixes_samples, score_both
from advlearn.core.regularizer import Regularizer
from advlearn.regularizers.bottleneck import Bottleneck
from advlearn.regularizers.spectral_norm import SpectralNorm

Term = Callable[[Regularizer, CriticBatch], Tensor | None]


def critic_term(regularizer: Regularizer, batch: CriticBatch) -> Tensor | None:
    return regularizer.penalty(batch)


def learner_term(regularizer: Regularizer, batch: CriticBatch) -> Tensor | None:
    return regularizer.player_penalty(batch)


def critic_batch(
    critic: nn.Module,
    real: Samples,
    fake: Samples,
    real_weights: Tensor | None = None,
    fake_weights: Tensor | None = None,
) -> CriticBatch:
    """Build a batch of `critic`, scored as an adversary scores it."""
    scores = score_both(critic, real, fake, apart=mixes_samples(critic))
    return CriticBatch(critic, real, fake, *scores, real_weights, fake_weights)


def linear(slope: list[float]) -> nn.Module:
    """D(x) = slope . x in fp64, for samples of any shape."""
    layer = nn.Linear(len(slope), 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([slope]))
    return nn.Sequential(nn.Flatten(), layer)


class Quadratic(nn.Module):
    """D(x) = a |x|^2 / 2, whose gradient at x is a x."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.ones((), dtype=torch.float64))

    def forward(self, x: Tensor) -> Tensor:
        return self.a * x.flatten(1).square().sum(1) / 2


class Pair(nn.Module):
    """A critic of pairs (vector, class)."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 2, dtype=torch.float64)
        self.head = nn.Linear(4, 1, dtype=torch.float64)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.head(torch.cat([x, self.table(y)], 1)).squeeze(1)


def pairs(n: int = 6) -> tuple[Tensor, Tensor]:
    return samples(n, 2), torch.arange(n) % 3


def smooth(dtype: torch.dtype = torch.float64) -> nn.Module:
    """A small critic of two-dimensional samples, smooth to all orders."""
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(2, 3, dtype=dtype), nn.Tanh(), nn.Linear(3, 1, dtype=dtype))


def samples(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def check_gradients(regularizer: Regularizer, term: Term = critic_term) -> None:
    """Check both derivatives by critic parameters or fake samples against finite differences."""
    critic = regularizer.wrap(smooth())
    real, fake = samples(4, 2), samples(4, 2, seed=1)
    inputs = tuple(critic.parameters()) if term is critic_term else (fake.requires_grad_(),)

    def value(*_: Tensor) -> Tensor:
        torch.manual_seed(5)
        result = term(regularizer, critic_batch(critic, real, fake))
        assert result is not None
        return result

    critic.requires_grad_(term is critic_term)
    assert torch.autograd.gradcheck(value, inputs)
    assert torch.autograd.gradgradcheck(value, inputs)


def check_compiled(
    make: Callable[[], Regularizer], term: Term = critic_term, shape: tuple[int, ...] = (4,)
) -> None:
    """Check that the compiled loss, its gradients and its buffers equal the eager ones.

    The critic has layer norm and spectral norm. Scores of both sides enter the loss: the compiler
    drops unused results, including random draws.
    """
    torch.manual_seed(0)
    size = samples(*shape).numel()
    plain = nn.Sequential(
        nn.Flatten(), nn.Linear(size, 8), nn.LayerNorm(8), nn.SiLU(), nn.Linear(8, 1)
    )
    regularizer = make()
    if isinstance(regularizer, Bottleneck):
        critic = SpectralNorm().wrap(regularizer.wrap(plain))
    else:
        critic = regularizer.wrap(SpectralNorm().wrap(plain))
    real, fake = (
        samples(5, *shape, dtype=torch.float32),
        samples(5, *shape, seed=1, dtype=torch.float32),
    )

    def run(compiled: bool) -> list[Tensor]:
        pair = copy.deepcopy(nn.ModuleList([regularizer, critic]))
        regularizer_copy, critic_copy = pair[0], pair[1]
        x = fake.clone().requires_grad_()

        def loss(x: Tensor) -> Tensor:
            batch = critic_batch(critic_copy, real, x if term is learner_term else x.detach())
            result = term(regularizer_copy, batch)
            score_gap = batch.fake_scores.mean() - batch.scores[0].mean()
            return score_gap if result is None else result + score_gap

        torch.manual_seed(7)
        result = (torch.compile(loss, backend="aot_eager", fullgraph=True) if compiled else loss)(x)
        result.backward()
        grads = [p.grad for p in (x, *critic_copy.parameters()) if p.grad is not None]
        assert grads
        return [result, *grads, *pair.buffers()]

    try:
        for eager, compiled in zip(run(False), run(True), strict=True):
            torch.testing.assert_close(compiled, eager, rtol=1e-5, atol=1e-5)
    finally:
        torch._dynamo.reset()
