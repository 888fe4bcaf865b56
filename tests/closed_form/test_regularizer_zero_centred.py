import pytest
import torch
from torch import nn

from advlearn.core.regularizer import Regularizer
from advlearn.regularizers.zero_centred import R1, R2
from tests.closed_form.regularizer_cases import (
    Pair,
    Quadratic,
    check_compiled,
    check_gradients,
    critic_batch,
    linear,
    pairs,
    samples,
)

BOTH = pytest.mark.parametrize("cls", [R1, R2])


@BOTH
@pytest.mark.parametrize("shape", [(4,), (1, 2, 2)])
def test_linear_critic_is_penalised_by_half_its_squared_slope(
    cls: type[R1 | R2], shape: tuple[int, ...]
) -> None:
    batch = critic_batch(
        linear([1.0, 2.0, 2.0, 4.0]), samples(3, *shape), samples(5, *shape, seed=1)
    )
    torch.testing.assert_close(cls(weight=3).penalty(batch).item(), 3 / 2 * 25.0)


def test_each_penalty_uses_its_own_side() -> None:
    real, fake = samples(3, 2), samples(5, 2, seed=1)
    batch = critic_batch(Quadratic(), real, fake)
    torch.testing.assert_close(R1().penalty(batch), real.square().sum(1).mean() / 2)
    torch.testing.assert_close(R2().penalty(batch), fake.square().sum(1).mean() / 2)


@BOTH
def test_samples_count_by_their_weights(cls: type[R1 | R2]) -> None:
    x, weights = samples(3, 2), torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    sides = (weights, None) if cls is R1 else (None, weights)
    value = cls(weight=2).penalty(critic_batch(Quadratic(), x, x, *sides))
    torch.testing.assert_close(value, (x.square().sum(1) * weights).sum() / 3)


@BOTH
def test_samples_get_no_gradient(cls: type[R1 | R2]) -> None:
    real, fake = samples(4, 2).requires_grad_(), samples(4, 2, seed=1).requires_grad_()
    cls().penalty(critic_batch(Quadratic(), real, fake)).backward()
    assert real.grad is None
    assert fake.grad is None


@BOTH
def test_flat_critic_costs_nothing_and_has_finite_gradients(cls: type[R1 | R2]) -> None:
    critic = nn.Linear(2, 1)
    nn.init.zeros_(critic.weight)
    value = cls().penalty(critic_batch(critic, torch.randn(4, 2), torch.randn(4, 2)))
    value.backward()
    assert value == 0
    assert torch.equal(critic.weight.grad, torch.zeros(1, 2))


@BOTH
def test_labels_of_pairs_get_no_gradient(cls: type[R1 | R2]) -> None:
    critic = Pair()
    value = cls(weight=2).penalty(critic_batch(critic, pairs(), pairs()))
    torch.testing.assert_close(value, critic.head.weight[0, :2].square().sum())


@BOTH
def test_derivatives(cls: type[Regularizer]) -> None:
    check_gradients(cls())


@BOTH
@pytest.mark.slow
def test_compiled_equals_eager(cls: type[Regularizer]) -> None:
    check_compiled(cls)
