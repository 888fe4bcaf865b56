import math

import pytest
import torch
from torch import Tensor, nn

from advlearn.nets.autoencoder import AutoencoderCritic
from advlearn.regularizers.instance_noise import InstanceNoise
from advlearn.regularizers.pulling_away import PullingAway, mean_squared_cosine, representation
from tests.closed_form.regularizer_cases import (
    check_compiled,
    check_gradients,
    critic_batch,
    learner_term,
    samples,
)


class Encoding(nn.Module):
    """A critic whose encoding is the sample."""

    def encode(self, x: Tensor) -> Tensor:
        return x

    def forward(self, x: Tensor, *_: Tensor) -> Tensor:
        return x.flatten(1).sum(1)


def brute_force(codes: Tensor) -> float:
    n, total = len(codes), 0.0
    for i in range(n):
        for j in range(n):
            if i != j:
                a, b = codes[i].tolist(), codes[j].tolist()
                dot = sum(x * y for x, y in zip(a, b, strict=True))
                total += (dot / math.hypot(*a) / math.hypot(*b)) ** 2
    return total / (n * (n - 1))


def test_penalty_agrees_with_brute_force() -> None:
    fake = samples(5, 3)
    value = PullingAway(weight=0.7).player_penalty(critic_batch(Encoding(), samples(2, 3), fake))
    assert value.item() == pytest.approx(0.7 * brute_force(fake), rel=1e-12)


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        (torch.eye(3), 0.0),
        (torch.tensor([[1.0, 0.0], [-5.0, 0.0]]), 1.0),
        (torch.ones(1, 2), 0.0),
        (torch.zeros(3, 2), 0.0),
    ],
    ids=["perpendicular", "parallel", "one sample", "zeros"],
)
def test_equal_and_orthogonal_features_have_known_values(codes: Tensor, expected: float) -> None:
    codes.requires_grad_()
    value = mean_squared_cosine(codes)
    value.backward()
    assert value.item() == pytest.approx(expected, abs=1e-6)
    assert torch.isfinite(codes.grad).all()


def test_representation_is_the_code_or_the_features() -> None:
    x = samples(4, 2, dtype=torch.float32)
    autoencoder = AutoencoderCritic((2,), base_channels=4, code=3)
    assert torch.equal(representation(autoencoder, x), autoencoder.encode(x))
    assert torch.equal(representation(InstanceNoise().wrap(autoencoder), x), autoencoder.encode(x))
    assert torch.equal(representation(autoencoder, (x, torch.zeros(4))), autoencoder.encode(x))
    plain = nn.Sequential(nn.Linear(2, 5), nn.Tanh(), nn.Linear(5, 1))
    assert torch.equal(representation(plain, x), plain[:2](x))
    assert torch.equal(representation(PullingAway().wrap(plain), x), plain[:2](x))


def test_critic_without_representation_is_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"critic: expected an nn\.Module with a linear or convolution layer, got Identity",
    ):
        PullingAway().wrap(nn.Identity())


def test_derivatives() -> None:
    fake = samples(4, 3).requires_grad_()
    real = samples(2, 3)
    assert torch.autograd.gradcheck(
        lambda x: PullingAway().player_penalty(critic_batch(Encoding(), real, x)), fake
    )
    assert torch.autograd.gradgradcheck(
        lambda x: PullingAway().player_penalty(critic_batch(Encoding(), real, x)), fake
    )


def test_derivatives_through_the_critic() -> None:
    check_gradients(PullingAway(), learner_term)


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(PullingAway, learner_term)
