import copy

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from advlearn.core.critic_batch import mixes_samples
from advlearn.core.features import features, watch
from advlearn.core.modules import freeze
from advlearn.regularizers.bottleneck import Bottleneck, Code
from advlearn.regularizers.spectral_norm import SpectralNorm
from tests.closed_form.regularizer_cases import (
    Pair,
    check_compiled,
    check_gradients,
    critic_batch,
    pairs,
    samples,
    smooth,
)


def divergence(critic: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Compute the divergence of each sample by torch.distributions."""
    code = critic[2]
    features = critic[:2](x)
    law = Normal(code.mean(features), (code.log_variance(features) / 2).exp())
    return kl_divergence(law, Normal(torch.zeros_like(law.mean), torch.ones_like(law.mean))).sum(1)


def test_penalty_is_beta_times_the_excess_divergence() -> None:
    bottleneck = Bottleneck(i_c=0.2, beta=0.5, code=4)
    critic = bottleneck.wrap(smooth())
    real, fake = samples(3, 2), samples(5, 2, seed=1)
    excess = (divergence(critic, real).mean() + divergence(critic, fake).mean()) / 2 - 0.2
    torch.testing.assert_close(bottleneck.penalty(critic_batch(critic, real, fake)), 0.5 * excess)


def test_samples_count_by_their_weights() -> None:
    bottleneck = Bottleneck(i_c=0, beta=1)
    critic = bottleneck.wrap(smooth())
    x, weights = samples(3, 2), torch.tensor([1.0, 0.0, 2.0], dtype=torch.float64)
    expected = (divergence(critic, x) * weights).sum() / 3
    torch.testing.assert_close(
        bottleneck.penalty(critic_batch(critic, x, x, weights, weights)), expected
    )


def test_dual_ascent_by_hand() -> None:
    bottleneck = Bottleneck(i_c=1.0, beta=0.0, beta_lr=0.1)
    critic = bottleneck.wrap(smooth(torch.float32))
    x = samples(4, 2, dtype=torch.float32)
    beta, betas = 0.0, []
    for scale in (1.0, 5.0, 0.0, 0.0):
        with torch.no_grad():  # from a large divergence to none
            for layer in (critic[2].mean, critic[2].log_variance):
                layer.weight.mul_(scale)
                layer.bias.mul_(scale)
        found = divergence(critic, x).mean().item()
        bottleneck.penalty(critic_batch(critic, x, x))
        with torch.no_grad():
            bottleneck.after_step(critic)
        beta = max(0.0, beta + 0.1 * (found - 1.0))
        betas.append(beta)
        assert critic[2].beta.item() == pytest.approx(beta, rel=1e-5, abs=1e-7)
    assert betas[0] == 0 < betas[3] < betas[2] < betas[1]


def test_beta_is_fixed_without_a_learning_rate() -> None:
    bottleneck = Bottleneck(beta=0.25, beta_lr=0)
    critic, x = bottleneck.wrap(smooth()), samples(4, 2)
    bottleneck.penalty(critic_batch(critic, x, x))
    bottleneck.after_step(critic)
    assert critic[2].beta == 0.25


def test_code_is_drawn_while_the_critic_trains() -> None:
    critic, x = Bottleneck(code=4).wrap(smooth()), samples(3, 2)
    code, features = critic[2], critic[:2](x)
    torch.manual_seed(1)
    scores = critic(x)
    torch.manual_seed(1)
    deviation = (code.log_variance(features) / 2).exp()
    z = code.mean(features) + deviation * torch.randn(3, 4, dtype=torch.float64)
    torch.testing.assert_close(scores, code.output(z))


def test_the_generator_step_and_evaluation_use_the_mean() -> None:
    critic, x = Bottleneck().wrap(smooth()), samples(3, 2)
    expected = critic[2].output(critic[2].mean(critic[:2](x)))
    with freeze(critic):
        assert torch.equal(critic(x), expected)
    assert torch.equal(critic.eval()(x), expected)


def test_features_of_the_critic_are_the_code() -> None:
    critic, x = Bottleneck(code=4).wrap(smooth()).eval(), samples(3, 2)
    torch.testing.assert_close(features(critic, x), critic[2].mean(critic[:2](x)))


def test_sizes_bias_and_dtype_follow_the_layer_replaced() -> None:
    code = Bottleneck().wrap(nn.Linear(6, 2, bias=False, dtype=torch.float64))
    assert isinstance(code, Code)
    assert (code.mean.out_features, code.output.out_features, code.output.bias) == (6, 2, None)
    assert {p.dtype for p in code.parameters()} == {torch.float64}
    assert mixes_samples(code)


def test_named_layers_and_pairs_of_samples() -> None:
    bottleneck = Bottleneck(beta=1)
    critic = bottleneck.wrap(Pair())
    assert isinstance(critic.head, Code)
    assert torch.isfinite(bottleneck.penalty(critic_batch(critic, pairs(), pairs())))


def test_copies_and_state_dicts_carry_beta() -> None:
    bottleneck = Bottleneck(beta=0.25)
    critic, x = bottleneck.wrap(smooth()), samples(3, 2)
    critic[2].beta.fill_(2.0)
    fresh = Bottleneck().wrap(smooth())
    fresh.load_state_dict(critic.state_dict())
    expected = bottleneck.penalty(critic_batch(critic, x, x))
    assert torch.equal(bottleneck.penalty(critic_batch(fresh, x, x)), expected)
    assert torch.equal(bottleneck.penalty(critic_batch(copy.deepcopy(critic), x, x)), expected)


def test_wrong_use_is_refused() -> None:
    x = samples(3, 2)
    with pytest.raises(ValueError, match="put bottleneck first"):
        Bottleneck().wrap(SpectralNorm().wrap(smooth()))
    with pytest.raises(
        ValueError, match="critic: expected one wrapped by Bottleneck, got Sequential"
    ):
        Bottleneck().penalty(critic_batch(smooth(), x, x))
    with pytest.raises(
        ValueError, match=r"critic: expected an nn\.Module with a linear output layer"
    ):
        Bottleneck().wrap(nn.Identity())


def test_derivatives() -> None:
    check_gradients(Bottleneck(beta=0.5))


@pytest.mark.slow
def test_compiled_equals_eager() -> None:
    check_compiled(lambda: Bottleneck(beta=0.5))


def test_a_code_is_watched_before_its_first_call() -> None:
    # A hook that is added inside a compiled function breaks its graph.
    code = Bottleneck(code=4).wrap(smooth())[2]
    hooks = len(code._forward_hooks)
    watch(code)
    assert len(code._forward_hooks) == hooks == 1
