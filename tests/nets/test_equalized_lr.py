"""Test equalised layers, pixel norm and the minibatch deviation against their formulas."""

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrize

from advlearn.core.adversary import Adversary
from advlearn.core.critic_batch import mixes_samples
from advlearn.nets.blocks.equalized_lr import GAIN, MinibatchDeviation, PixelNorm, equalized_lr


@pytest.mark.parametrize(
    ("layer", "inputs"),
    [(lambda: nn.Linear(6, 500), 6), (lambda: nn.Conv2d(3, 500, 3), 27)],
    ids=["linear", "conv"],
)
@pytest.mark.parametrize(("gain", "rate"), [(GAIN, 1.0), (1.0, 0.01)])
def test_the_constant_agrees_with_the_formula(layer, inputs, gain, rate):
    wrapped = equalized_lr(layer(), gain, rate)
    stored = wrapped.parametrizations.weight.original
    torch.testing.assert_close(wrapped.weight, stored * gain * rate / math.sqrt(inputs))
    assert float(stored.detach().std() * rate) == pytest.approx(1, rel=0.05)
    assert float(wrapped.weight.detach().std()) == pytest.approx(gain / math.sqrt(inputs), rel=0.05)
    assert not wrapped.bias.any()


def test_adam_moves_every_layer_by_the_same_share_of_its_weights():
    """Stored weights have one scale, so a step of Adam has one relative size for every layer."""
    shares = []
    for inputs in (4, 400):
        layer = equalized_lr(nn.Linear(inputs, 50, bias=False))
        before = layer.weight.detach().clone()
        optimizer = torch.optim.Adam(layer.parameters(), lr=0.01)
        layer(torch.ones(1, inputs)).sum().backward()
        optimizer.step()
        shares.append(float((layer.weight.detach() - before).norm() / before.norm()))
    assert shares[0] == pytest.approx(0.01, rel=0.2) and shares[1] == pytest.approx(0.01, rel=0.2)


def test_a_copy_has_its_own_weights_and_the_bias_is_optional():
    layer = equalized_lr(nn.Linear(3, 2, bias=False))
    twin = copy.deepcopy(layer)
    with torch.no_grad():
        twin.parametrizations.weight.original.zero_()
    assert layer.weight.any() and not twin.weight.any()


def test_spectral_norm_normalises_the_scaled_weights():
    layer = equalized_lr(nn.Linear(30, 20), gain=5.0)
    adversary = Adversary(
        nn.Sequential(layer, nn.LeakyReLU(), equalized_lr(nn.Linear(20, 1))),
        "hinge + spectral_norm",
    )
    assert parametrize.is_parametrized(layer, "weight")
    assert float(torch.linalg.matrix_norm(layer.weight.detach(), 2)) == pytest.approx(1, abs=1e-2)
    adversary.update(torch.randn(4, 30), torch.randn(4, 30))
    assert all(p.isfinite().all() for p in adversary.critic.parameters())


def test_pixel_norm_gives_a_mean_square_of_one_at_each_place():
    x = torch.randn(2, 5, 3, 3) * 7
    y = PixelNorm()(x)
    torch.testing.assert_close(y.square().mean(1), torch.ones(2, 3, 3))
    torch.testing.assert_close(y / y.norm(dim=1, keepdim=True), x / x.norm(dim=1, keepdim=True))


def test_the_deviation_is_the_mean_over_features_and_places():
    x = torch.randn(6, 3, 2, 2)
    y = MinibatchDeviation()(x)
    assert torch.equal(y[:, :3], x)
    expected = x.std(0, correction=0).mean()
    torch.testing.assert_close(y[:, 3], expected.expand(6, 2, 2))


def test_equal_samples_have_no_deviation_and_a_finite_gradient():
    x = torch.ones(4, 3, 2, 2, requires_grad=True)
    y = MinibatchDeviation()(x)
    assert float(y[:, 3].detach().max()) < 1e-3
    y.sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()


def test_the_deviation_layer_is_marked_as_mixing_samples():
    assert mixes_samples(nn.Sequential(nn.Flatten(), MinibatchDeviation()))
