"""Test StyleGAN: the style of each layer in training, mixed and truncated."""

import pytest
import torch

from advlearn.core.modules import eval_mode
from advlearn.nets.families.stylegan import AdaIN, PixelNoise, StyleGANGenerator, _crossed

SIDE, LATENT, STYLE = 16, 5, 8
LAYERS = 6  # two for each of 4, 8 and 16 pixels


def generator(mixing: float = 0.9, classes: int = 0) -> StyleGANGenerator:
    return StyleGANGenerator(
        LATENT,
        (2, SIDE, SIDE),
        base_channels=4,
        classes=classes,
        style=STYLE,
        depth=2,
        mixing=mixing,
    )


def test_adain_gives_each_channel_the_mean_and_the_spread_of_the_style():
    layer = AdaIN(3, STYLE)
    w = torch.randn(2, STYLE)
    y = layer(torch.randn(2, 3, 9, 9) * 4 + 2, w)
    scale, shift = layer.affine(w).chunk(2, 1)
    torch.testing.assert_close(y.mean((2, 3)), shift, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(y.std((2, 3), correction=0), (1 + scale).abs(), atol=1e-4, rtol=1e-3)


def test_noise_is_one_number_per_place_and_starts_at_zero():
    noise, x = PixelNoise(3), torch.randn(2, 3, 4, 4)
    assert torch.equal(noise(x), x)
    with torch.no_grad():
        noise.strength.copy_(torch.tensor([0.0, 1.0, -2.0]).view(3, 1, 1))
    added = noise(x) - x
    assert not added[:, 0].any() and added[:, 1].any()
    torch.testing.assert_close(added[:, 2], -2 * added[:, 1], atol=1e-5, rtol=1e-4)
    assert not torch.equal(noise(x), noise(x)), "drawn anew each time"


def test_each_resolution_has_two_layers():
    assert len(generator().layers) == LAYERS


def test_truncation_1_changes_nothing_and_0_gives_one_image():
    net, z = generator(), torch.randn(3, LATENT)
    with torch.no_grad(), eval_mode(net):
        torch.testing.assert_close(net.truncated(z, None, 1.0), net(z))
        none = net.truncated(z, None, 0.0)
        torch.testing.assert_close(none, net.synthesise(net.mean_w.expand(3, -1)))
        torch.testing.assert_close(none[0], none[1])
        half = net.synthesise((net.mean_w + net.styles(z)) / 2)
        torch.testing.assert_close(net.truncated(z, None, 0.5), half)


def test_truncation_0_gives_the_mean_style_of_the_class():
    net = StyleGANGenerator(LATENT, (1, 16, 16), base_channels=4, classes=3)
    z, y = torch.randn(64, LATENT), torch.arange(64) % 2
    net.train()(z, y)
    means = torch.stack([net.styles(z, y)[y == k].mean(0) for k in range(2)])
    torch.testing.assert_close(net.mean_w[:2], 0.005 * means)
    assert not net.mean_w[2].any(), "no sample of that class yet"
    with torch.no_grad(), eval_mode(net):
        images = net.truncated(z[:4], y[:4], 0.0)
    torch.testing.assert_close(images[0], images[2])
    assert not torch.equal(images[0], images[1])


def test_the_mean_style_is_updated_only_in_training():
    net, z = generator(), torch.randn(64, LATENT)
    net.eval()(z)
    assert not net.mean_w.any()
    net.train()(z)
    mean = net.styles(z).mean(0)
    torch.testing.assert_close(net.mean_w[0], 0.005 * mean)
    net(z)
    torch.testing.assert_close(net.mean_w[0], (1 - 0.995**2) * mean)


def test_layers_before_the_crossover_have_the_first_style():
    first, second = torch.zeros(3, STYLE), torch.ones(3, STYLE)
    crossed = _crossed(first, second, torch.tensor([0, 2, LAYERS]), LAYERS)
    assert crossed.shape == (3, LAYERS, STYLE)
    assert crossed[:, :, 0].tolist() == [
        [1.0] * LAYERS,
        [0.0] * 2 + [1.0] * (LAYERS - 2),
        [0.0] * LAYERS,
    ]


def test_mixing_at_either_end_gives_one_of_the_two_images():
    net, coarse, fine = generator().eval(), torch.randn(2, LATENT), torch.randn(2, LATENT)
    with torch.no_grad():
        torch.testing.assert_close(net.mixed(coarse, fine, LAYERS), net(coarse))
        torch.testing.assert_close(net.mixed(coarse, fine, 0), net(fine))
        torch.testing.assert_close(net.mixed(coarse, coarse, 3), net(coarse))
        between = net.mixed(coarse, fine, 2)
    assert not torch.allclose(between, net(coarse)) and not torch.allclose(between, net(fine))


def test_coarse_styles_reach_only_the_coarse_layers():
    """Layers from the crossover on give a gradient only to the fine latent."""
    net = generator().eval()
    coarse, fine = (
        torch.randn(1, LATENT, requires_grad=True),
        torch.randn(1, LATENT, requires_grad=True),
    )
    styles = {}
    for k, layer in enumerate(net.layers):
        layer.style.register_forward_hook(
            lambda module, args, out, k=k: styles.__setitem__(k, args[1])
        )
    net.mixed(coarse, fine, 2)
    for k, w in styles.items():
        gradients = torch.autograd.grad(w.sum(), [coarse, fine], retain_graph=True)
        assert bool(gradients[0].any()) == (k < 2) and bool(gradients[1].any()) == (k >= 2)


@pytest.mark.parametrize(("mixing", "shared"), [(0.0, 1.0), (1.0, 0.0), (0.5, 0.5)])
def test_a_share_of_the_samples_is_mixed_in_training(mixing, shared):
    """Samples that are not mixed have one style in the first layer and in the last."""
    net, n = generator(mixing), 2000
    styles = {}
    for k in (0, LAYERS - 1):
        net.layers[k].style.register_forward_hook(
            lambda module, args, out, k=k: styles.__setitem__(k, args[1])
        )
    net(torch.randn(n, LATENT))
    same = (styles[0] == styles[LAYERS - 1]).all(1).float().mean()
    # Four standard deviations of a proportion of 2,000.
    assert abs(float(same) - shared) <= 4 * (0.25 / n) ** 0.5 * (mixing == 0.5)


def test_classes_choose_the_style():
    net, z = generator(classes=3).eval(), torch.randn(2, LATENT)
    with torch.no_grad():
        first, second = (net.truncated(z, torch.full((2,), y), 0.7) for y in (0, 1))
    assert not torch.allclose(first, second)


def test_bad_settings_are_one_line():
    with pytest.raises(ValueError, match="mixing: expected a share from 0 to 1"):
        generator(mixing=1.5)
    with pytest.raises(ValueError, match="crossover: expected a number of layers from 0 to 6"):
        generator().mixed(torch.zeros(1, LATENT), torch.zeros(1, LATENT), 7)
