import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from advlearn.objectives.jensen_shannon import JensenShannon
from advlearn.regularizers.label_smoothing import LabelSmoothing
from tests.closed_form.regularizer_cases import (
    check_compiled,
    check_gradients,
    critic_batch,
    samples,
)


@pytest.mark.parametrize("amount", [0.0, 0.1, 0.5])
def test_loss_is_cross_entropy_against_the_smoothed_target(amount: float) -> None:
    batch = critic_batch(nn.Linear(3, 1, dtype=torch.float64), samples(5, 3), samples(4, 3, seed=1))
    loss = JensenShannon().critic_loss(batch) + LabelSmoothing(amount).penalty(batch)
    real, fake = batch.scores
    expected = binary_cross_entropy_with_logits(real, torch.full_like(real, 1 - amount))
    expected = expected + binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
    torch.testing.assert_close(loss, expected, rtol=1e-12, atol=1e-12)


def test_optimal_logit_is_the_documented_one() -> None:
    # At one point with densities p and q the loss is p (softplus(-s) + a s) + q softplus(s).
    p, q, a = 0.7, 0.2, 0.1
    s = torch.tensor((1 - a) * p / (q + a * p), dtype=torch.float64).log().requires_grad_()
    loss = p * (JensenShannon().real_loss(s) + a * s) + q * JensenShannon().fake_loss(s)
    (slope,) = torch.autograd.grad(loss, s)
    assert slope.item() == pytest.approx(0, abs=1e-12)


def test_real_samples_count_by_their_weights() -> None:
    x, weights = samples(3, 1), torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    value = LabelSmoothing(0.5).penalty(critic_batch(nn.Identity(), x, x, weights))
    torch.testing.assert_close(value, 0.5 * (x[:, 0] * weights).sum() / 3)


def test_a_target_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="amount: expected a number below 1, got 1"):
        LabelSmoothing(1)


def test_derivatives() -> None:
    check_gradients(LabelSmoothing())


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(LabelSmoothing)
