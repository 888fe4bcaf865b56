import copy

import numpy as np
import pytest
import torch
from torch import nn

from advlearn.regularizers.bottleneck import Bottleneck
from advlearn.regularizers.historical_averaging import HistoricalAveraging
from advlearn.regularizers.instance_noise import InstanceNoise
from advlearn.regularizers.spectral_norm import SpectralNorm
from tests.closed_form.regularizer_cases import check_compiled, critic_batch, samples, smooth


def flat(critic: nn.Module) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in critic.parameters()])


def walk(critic: nn.Module) -> None:
    with torch.no_grad():
        for p in critic.parameters():
            p.add_(torch.randn_like(p))


def test_penalty_is_the_squared_distance_from_the_mean_of_past_weights() -> None:
    averaging, critic, x = HistoricalAveraging(weight=0.3), smooth(), samples(2, 2)
    averaging.wrap(critic)
    past = [flat(critic)]
    for _ in range(5):
        walk(critic)
        value = averaging.penalty(critic_batch(critic, x, x))
        assert value.item() == pytest.approx(
            0.3 * np.square(flat(critic) - np.mean(past, 0)).sum(), rel=1e-12
        )
        with torch.no_grad():
            averaging.after_step(critic)
        past.append(flat(critic))


def test_gradient_points_from_the_mean_and_is_finite_at_it() -> None:
    averaging, critic, x = HistoricalAveraging(weight=0.3), smooth(), samples(2, 2)
    averaging.wrap(critic)
    start = [p.detach().clone() for p in critic.parameters()]
    averaging.penalty(critic_batch(critic, x, x)).backward()
    assert all(torch.equal(p.grad, torch.zeros_like(p)) for p in critic.parameters())
    walk(critic)
    critic.zero_grad()
    averaging.penalty(critic_batch(critic, x, x)).backward()
    for p, first in zip(critic.parameters(), start, strict=True):
        torch.testing.assert_close(p.grad, 0.6 * (p.detach() - first))


def test_state_dict_and_copy_carry_the_history() -> None:
    averaging, critic, x = HistoricalAveraging(), smooth(), samples(2, 2)
    averaging.wrap(critic)
    for _ in range(3):
        walk(critic)
        with torch.no_grad():
            averaging.after_step(critic)
    fresh, other = HistoricalAveraging(), smooth()
    fresh.wrap(other)
    fresh.load_state_dict(averaging.state_dict())
    other.load_state_dict(critic.state_dict())
    expected = averaging.penalty(critic_batch(critic, x, x))
    assert expected > 0
    assert torch.equal(fresh.penalty(critic_batch(other, x, x)), expected)
    assert torch.equal(copy.deepcopy(averaging).penalty(critic_batch(critic, x, x)), expected)


def test_under_wrappers_the_learned_weights_count() -> None:
    averaging, x = HistoricalAveraging(weight=1), samples(2, 2)
    critic = InstanceNoise().wrap(averaging.wrap(SpectralNorm().wrap(smooth())))
    assert averaging.penalty(critic_batch(critic, x, x)).item() == 0
    with torch.no_grad():
        critic.critic[0].parametrizations.weight.original.add_(0.5)
    assert averaging.penalty(critic_batch(critic, x, x)).item() == pytest.approx(6 * 0.25)


def test_wrong_use_is_refused() -> None:
    averaging, x = HistoricalAveraging(), samples(2, 2)
    with pytest.raises(ValueError, match="critic: expected the 0 parameters given to wrap"):
        averaging.penalty(critic_batch(smooth(), x, x))
    critic = averaging.wrap(smooth())
    for later in (Bottleneck(), SpectralNorm()):
        critic = later.wrap(critic)
        with pytest.raises(ValueError, match="put historical_averaging last"):
            averaging.penalty(critic_batch(critic, x, x))
    with pytest.raises(ValueError, match="got a second"):
        averaging.wrap(smooth())


def test_derivatives() -> None:
    averaging, critic, x = HistoricalAveraging(weight=0.3), smooth(), samples(2, 2)
    averaging.wrap(critic)
    walk(critic)
    inputs = tuple(critic.parameters())
    assert torch.autograd.gradcheck(
        lambda *_: averaging.penalty(critic_batch(critic, x, x)), inputs
    )
    assert torch.autograd.gradgradcheck(
        lambda *_: averaging.penalty(critic_batch(critic, x, x)), inputs
    )


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(HistoricalAveraging)
