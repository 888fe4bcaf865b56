import math

import pytest
import torch
from torch import nn

from advlearn.regularizers.low_density import LowDensity
from tests.closed_form.regularizer_cases import (
    check_compiled,
    check_gradients,
    critic_batch,
    learner_term,
    samples,
)


def brute_force(
    real: list[list[float]], fake: list[list[float]], quantile: float, bandwidth: float
) -> float:
    def squared(a: list[float], b: list[float]) -> float:
        return sum((x - y) ** 2 for x, y in zip(a, b, strict=True))

    others = [[squared(a, b) for j, b in enumerate(real) if j != i] for i, a in enumerate(real)]
    scale = 2 * bandwidth**2 * sorted(min(row) for row in others)[(len(real) - 1) // 2]

    def density(distances: list[float]) -> float:
        return math.log(sum(math.exp(-d / scale) for d in distances) / len(distances))

    least = (
        torch.tensor([density(row) for row in others], dtype=torch.float64)
        .quantile(quantile)
        .item()
    )
    return sum(max(0.0, density([squared(x, r) for r in real]) - least) for x in fake) / len(fake)


@pytest.mark.parametrize(("quantile", "bandwidth"), [(0.1, 1.0), (0.5, 2.0), (0.0, 0.5)])
def test_penalty_agrees_with_brute_force(quantile: float, bandwidth: float) -> None:
    real, fake = samples(7, 3), samples(5, 3, seed=1) / 2
    value = LowDensity(0.7, quantile, bandwidth).player_penalty(
        critic_batch(nn.Linear(3, 1).double(), real, fake)
    )
    assert value is not None
    assert value.item() == pytest.approx(
        0.7 * brute_force(real.tolist(), fake.tolist(), quantile, bandwidth), rel=1e-9
    )
    assert value > 0


def test_far_fakes_cost_nothing() -> None:
    fake = (samples(5, 3) + 50).requires_grad_()
    value = LowDensity().player_penalty(critic_batch(nn.Linear(3, 1).double(), samples(7, 3), fake))
    assert value is not None
    assert value == 0
    (gradient,) = torch.autograd.grad(value, fake)
    assert not gradient.any()


def test_a_fake_near_a_real_sample_is_pushed_away_from_it() -> None:
    real = torch.tensor([[0.0], [1.0], [2.0], [3.0], [4.0]], dtype=torch.float64)
    fake = torch.tensor([[2.2]], dtype=torch.float64, requires_grad=True)
    value = LowDensity(quantile=0.0).player_penalty(
        critic_batch(nn.Linear(1, 1).double(), real, fake)
    )
    assert value is not None
    (gradient,) = torch.autograd.grad(value, fake)
    # A gradient step moves away from the nearest sample, at 2.
    assert value > 0 and gradient < 0


def test_one_real_sample_gives_zero_penalty() -> None:
    assert (
        LowDensity().player_penalty(
            critic_batch(nn.Linear(3, 1).double(), samples(1, 3), samples(5, 3))
        )
        is None
    )


def test_weights_of_the_fakes_count() -> None:
    real, fake = samples(7, 3), samples(5, 3, seed=1) / 2
    critic = nn.Linear(3, 1).double()
    weights = torch.tensor([5.0, 0, 0, 0, 0], dtype=torch.float64)
    weighted = LowDensity().player_penalty(critic_batch(critic, real, fake, None, weights))
    alone = LowDensity().player_penalty(critic_batch(critic, real, fake[:1]))
    torch.testing.assert_close(weighted, alone)


def test_derivatives_agree_with_finite_differences() -> None:
    check_gradients(LowDensity(quantile=0.0), learner_term)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(LowDensity, learner_term)


@pytest.mark.parametrize(
    ("name", "value"), [("weight", -1.0), ("quantile", 1.5), ("bandwidth", 0.0)]
)
def test_a_setting_out_of_range_is_one_line(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: expected "):
        LowDensity(**{name: value})
