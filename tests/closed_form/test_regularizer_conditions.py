"""Regularizers on samples with a floating-point part that is a condition."""

import pytest
import torch
from torch import Tensor, nn

from advlearn.core.critic_batch import CriticBatch, Samples, score_both
from advlearn.core.regularizer import Regularizer
from advlearn.regularizers.consistency import Consistency
from advlearn.regularizers.dragan import DraganPenalty
from advlearn.regularizers.gradient_penalty import GradientPenalty, OneSidedGradientPenalty
from advlearn.regularizers.instance_noise import InstanceNoise
from advlearn.regularizers.zero_centred import R1, R2


class Conditional(nn.Module):
    """D(x, c) = (3, 4) . x + 10 c, with a record of the conditions it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([3.0, 4.0], dtype=torch.float64))
        self.seen: list[Tensor] = []

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        self.seen.append(c)
        return x @ self.slope + 10 * c[:, 0]


def draw(n: int, d: int, seed: int) -> Tensor:
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


REAL: Samples = (draw(4, 2, 0), draw(4, 1, 1))
FAKE: Samples = (draw(4, 2, 2), draw(4, 1, 3))


def penalty(regularizer: Regularizer, *conditions: int) -> tuple[Tensor, list[Tensor]]:
    """Return the penalty, and the conditions that the critic sees in a pass for it."""
    regularizer.conditions = frozenset(conditions)
    critic = Conditional()
    batch = CriticBatch(critic, REAL, FAKE, *score_both(critic, REAL, FAKE, apart=False))
    critic.seen.clear()
    value = regularizer.penalty(batch)
    assert value is not None
    return value.detach(), critic.seen


@pytest.mark.parametrize(
    ("regularizer", "by_sample", "by_both"),
    [
        (R1(weight=2), 25.0, 125.0),
        (R2(weight=2), 25.0, 125.0),
        (GradientPenalty(weight=1), 16.0, (125**0.5 - 1) ** 2),
        (OneSidedGradientPenalty(weight=1), 16.0, (125**0.5 - 1) ** 2),
        (DraganPenalty(weight=1), 16.0, (125**0.5 - 1) ** 2),
    ],
    ids=repr,
)
def test_the_gradient_by_a_condition_is_not_penalised(
    regularizer: Regularizer, by_sample: float, by_both: float
) -> None:
    assert penalty(regularizer, 1)[0].item() == pytest.approx(by_sample)
    assert penalty(regularizer)[0].item() == pytest.approx(by_both)


@pytest.mark.parametrize(
    ("regularizer", "given"),
    [
        (R1(estimate="difference"), REAL[1]),
        (R2(estimate="difference"), FAKE[1]),
        (GradientPenalty(), REAL[1]),
        (DraganPenalty(), REAL[1]),
        (Consistency(), REAL[1]),
    ],
    ids=repr,
)
def test_the_critic_sees_the_condition_as_it_is(regularizer: Regularizer, given: Tensor) -> None:
    _, seen = penalty(regularizer, 1)
    assert seen and all(torch.equal(c, given) for c in seen)
    _, seen = penalty(regularizer)
    assert not any(torch.equal(c, given) for c in seen)


def test_a_condition_gets_no_noise() -> None:
    noise = InstanceNoise(scale=1.0)
    noise.conditions = frozenset({1})
    critic = Conditional()
    noisy = noise.wrap(critic)
    noisy(*REAL)
    assert torch.equal(critic.seen[-1], REAL[1])
    noise.conditions = frozenset()
    InstanceNoise(scale=1.0).wrap(critic)(*REAL)
    assert not torch.equal(critic.seen[-1], REAL[1])


def test_an_image_that_is_a_condition_moves_with_the_sample() -> None:
    class Gap(nn.Module):
        def forward(self, x: Tensor, c: Tensor) -> Tensor:
            return (x - c).square().flatten(1).sum(1) * self.weight

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(()))

    x = draw(8, 12, 0).view(4, 2, 3, 4).float()
    regularizer = Consistency()
    regularizer.conditions = frozenset({1})
    critic = Gap()
    batch = CriticBatch(critic, (x, x), (x, x), *score_both(critic, (x, x), (x, x), apart=False))
    value = regularizer.penalty(batch)
    assert value is not None and value == 0
