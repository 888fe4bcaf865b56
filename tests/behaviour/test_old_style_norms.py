"""Constraints on weights of layers with the hooks of torch.nn.utils before parametrizations."""

import pytest
import torch
from torch import nn

from advlearn.regularizers.bottleneck import Bottleneck
from advlearn.regularizers.orthogonal_regularization import OrthogonalRegularization
from advlearn.regularizers.spectral_norm import SpectralNorm
from tests.closed_form.regularizer_cases import critic_batch

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")


def layer(norm: str, old: bool) -> nn.Module:
    torch.manual_seed(0)
    wrap = getattr(nn.utils if old else nn.utils.parametrizations, norm)
    made = wrap(nn.Linear(3, 2))
    # The step of an optimiser, which the weight of an old-style layer does not see by itself.
    with torch.no_grad():
        for p in made.parameters():
            p.mul_(1.5)
    return nn.Sequential(made)


@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
def test_orthogonal_regularization_sees_the_learned_weights(norm: str) -> None:
    x, values, gradients = torch.zeros(2, 3), [], []
    for old in (False, True):
        critic = layer(norm, old)
        value = OrthogonalRegularization(weight=1.0).penalty(critic_batch(critic, x, x))
        value.backward()
        values.append(value)
        gradients.append([p.grad for p in critic.parameters() if p.grad is not None])
    torch.testing.assert_close(values[1], values[0])
    torch.testing.assert_close(gradients[1], gradients[0])


def test_a_layer_with_an_old_style_spectral_norm_is_not_normalised_twice() -> None:
    critic = layer("spectral_norm", old=True)
    before = [name for name, _ in critic.named_parameters()]
    assert [name for name, _ in SpectralNorm().wrap(critic).named_parameters()] == before


def test_spectral_norm_refuses_an_old_style_weight_norm() -> None:
    with pytest.raises(
        ValueError, match=r"critic: expected a plain weight in layer '0', got torch"
    ):
        SpectralNorm().wrap(layer("weight_norm", old=True))


@pytest.mark.parametrize("norm", ["weight_norm", "spectral_norm"])
@pytest.mark.parametrize("old", [False, True])
def test_bottleneck_refuses_to_replace_a_normalised_layer(norm: str, old: bool) -> None:
    with pytest.raises(ValueError, match="critic: expected a plain last layer"):
        Bottleneck().wrap(layer(norm, old))
