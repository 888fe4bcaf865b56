import pytest
import torch
from torch import nn

from advlearn.regularizers.feature_matching import FeatureMatching
from tests.closed_form.regularizer_cases import (
    check_compiled,
    check_gradients,
    critic_batch,
    learner_term,
)


def critic() -> nn.Module:
    """Make a critic with features f(x) = A x, A = [[2, 0], [0, 3]]."""
    first = nn.Linear(2, 2, bias=False)
    with torch.no_grad():
        first.weight.copy_(torch.tensor([[2.0, 0.0], [0.0, 3.0]]))
    return nn.Sequential(first, nn.Linear(2, 1)).requires_grad_(False)


REAL = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
FAKE = torch.tensor([[0.0, 1.0], [0.0, 1.0], [0.0, 4.0]])


def test_value_by_hand() -> None:
    # Mean features are (4, 0) and (0, 6).
    assert FeatureMatching(weight=0.5).player_penalty(
        critic_batch(critic(), REAL, FAKE)
    ).item() == pytest.approx(26)


def test_samples_count_by_their_weights() -> None:
    weights = torch.tensor([1.0, 3.0])
    batch = critic_batch(critic(), REAL, FAKE[1:], weights, weights)
    expected = (2 * (1 + 9) / 4) ** 2 + (3 * (1 + 12) / 4) ** 2
    assert FeatureMatching().player_penalty(batch).item() == pytest.approx(expected)


def test_each_side_has_its_own_weights() -> None:
    batch = critic_batch(
        critic(), REAL, FAKE[1:], torch.tensor([1.0, 3.0]), torch.tensor([3.0, 1.0])
    )
    expected = (2 * (1 + 9) / 4) ** 2 + (3 * (3 + 4) / 4) ** 2
    assert FeatureMatching().player_penalty(batch).item() == pytest.approx(expected)


def test_gradient_by_hand_with_the_real_side_fixed() -> None:
    fake = FAKE.clone().requires_grad_()
    FeatureMatching(weight=0.5).player_penalty(critic_batch(critic(), REAL, fake)).backward()
    # d/dx_i = 2 w A^T (mean_f - mean_r) / n = (2 * -4, 3 * 6) / 3
    torch.testing.assert_close(fake.grad, torch.tensor([[-8 / 3, 6.0]]).expand(3, 2))


def test_real_side_gets_a_gradient_if_it_needs_one() -> None:
    real, fake = REAL.clone().requires_grad_(), FAKE.clone().requires_grad_()
    FeatureMatching(weight=0.5).player_penalty(critic_batch(critic(), real, fake)).backward()
    torch.testing.assert_close(real.grad, torch.tensor([[4.0, -9.0]]).expand(2, 2))


def test_critic_without_a_linear_layer_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"critic: expected an nn\.Module with a linear or convolution layer, got Identity",
    ):
        FeatureMatching().wrap(nn.Identity())


def test_second_derivative_by_hand() -> None:
    fake = FAKE.clone().requires_grad_()
    value = FeatureMatching(weight=0.5).player_penalty(critic_batch(critic(), REAL, fake))
    (slope,) = torch.autograd.grad(value, fake, create_graph=True)
    (second,) = torch.autograd.grad(slope[0, 0], fake)
    torch.testing.assert_close(second, torch.tensor([[4 / 9, 0.0]]).expand(3, 2))


def test_derivatives() -> None:
    check_gradients(FeatureMatching(), learner_term)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(FeatureMatching, learner_term)
