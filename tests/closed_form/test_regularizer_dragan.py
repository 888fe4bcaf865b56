import pytest
import torch
from torch import nn

from advlearn.regularizers.dragan import DraganPenalty
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


@pytest.mark.parametrize("shape", [(4,), (1, 2, 2)])
def test_linear_critic_is_penalised_by_its_slope(shape: tuple[int, ...]) -> None:
    batch = critic_batch(
        linear([1.0, 2.0, 2.0, 4.0]), samples(3, *shape), samples(3, *shape, seed=1)
    )
    torch.testing.assert_close(DraganPenalty(weight=3).penalty(batch).item(), 3 * 4.0**2)


def test_points_are_at_most_the_scale_above_the_real_samples() -> None:
    real = samples(5, 2)
    batch = critic_batch(Quadratic(), real, samples(5, 2, seed=1))
    torch.manual_seed(2)
    value = DraganPenalty(weight=1, scale=0.5).penalty(batch)
    torch.manual_seed(2)
    points = real + 0.5 * real.std(correction=0) * torch.rand(5, 2, dtype=torch.float64)
    torch.testing.assert_close(value, (points.norm(dim=1) - 1).square().mean())


def test_scale_zero_uses_the_real_samples_and_their_weights() -> None:
    real, weights = samples(3, 2), torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    value = DraganPenalty(weight=1, scale=0).penalty(critic_batch(Quadratic(), real, real, weights))
    torch.testing.assert_close(value, ((real.norm(dim=1) - 1).square() * weights).sum() / 3)


def test_fakes_do_not_enter() -> None:
    fake = samples(4, 2, seed=1).requires_grad_()
    value = DraganPenalty().penalty(critic_batch(linear([3.0, 4.0]), samples(4, 2), fake))
    value.backward()
    assert fake.grad is None


def test_flat_critic_has_finite_gradients() -> None:
    critic = nn.Linear(2, 1)
    nn.init.zeros_(critic.weight)
    DraganPenalty().penalty(critic_batch(critic, torch.randn(4, 2), torch.randn(4, 2))).backward()
    assert torch.isfinite(critic.weight.grad).all()


def test_integer_parts_do_not_change() -> None:
    critic = Pair()
    value = DraganPenalty(weight=1).penalty(critic_batch(critic, pairs(), pairs()))
    torch.testing.assert_close(value, (critic.head.weight[0, :2].norm() - 1).square())


def test_derivatives() -> None:
    check_gradients(DraganPenalty())


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(DraganPenalty)
