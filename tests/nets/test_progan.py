"""Test growing networks: the image at each level, and the layers that are computed."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from advlearn.core.critic_batch import mixes_samples
from advlearn.nets import build
from advlearn.nets.families.progan import Growth, ProGANCritic, ProGANGenerator

SIDE, LATENT = 16, 5
SHAPE = (2, SIDE, SIDE)
LEVELS = (0, 0.3, 1, 1.7, 2)


def generator():
    return ProGANGenerator(LATENT, SHAPE, base_channels=4)


def used(net, *inputs) -> set[str]:
    """Return the names of the parameters that an output depends on."""
    net(*inputs).square().sum().backward()
    names = {name for name, p in net.named_parameters() if p.grad is not None}
    for p in net.parameters():
        p.grad = None
    return names


@pytest.mark.parametrize(
    ("level", "newest", "fading", "alpha"),
    [(0, 0, False, 1), (0.25, 1, True, 0.25), (1, 1, False, 1), (2, 2, False, 1)],
)
def test_a_level_gives_the_resolution_and_the_fade(level, newest, fading, alpha):
    growth = Growth(2)
    growth.grow(level)
    assert (growth.newest, growth.fading) == (newest, fading) and float(growth.alpha) == alpha


@pytest.mark.parametrize("level", [-0.1, 2.1, float("nan")])
def test_a_level_out_of_range_is_one_line(level):
    with pytest.raises(ValueError, match="level: expected a number from 0 to 2"):
        generator().grow(level)


@pytest.mark.parametrize(("level", "side"), [(0, 4), (1, 8), (2, 16)])
def test_an_image_is_that_of_its_level_enlarged_pixel_for_pixel(level, side):
    net = generator()
    net.grow(level)
    x = net(torch.randn(3, LATENT))
    small = avg_pool2d(x, SIDE // side)
    torch.testing.assert_close(interpolate(small, scale_factor=SIDE // side), x)
    assert level == 2 or not torch.allclose(
        interpolate(avg_pool2d(x, SIDE // 2), scale_factor=SIDE // 2), x
    )


def test_a_resolution_fades_in_from_the_previous_one():
    """Between two levels the image is their weighted mean before the tanh; near one, nearly its."""
    net, z = generator(), torch.randn(3, LATENT)
    images = {}
    for level in (1, 1 + 1e-6, 1.25, 2 - 1e-6, 2):
        net.grow(level)
        images[level] = torch.atanh(net(z).double()).detach()
    torch.testing.assert_close(images[1 + 1e-6], images[1], rtol=0, atol=1e-4)
    torch.testing.assert_close(images[2 - 1e-6], images[2], rtol=0, atol=1e-4)
    torch.testing.assert_close(
        images[1.25], torch.lerp(images[1], images[2], 0.25), rtol=0, atol=1e-4
    )


def test_a_critic_fades_like_its_generator():
    net, x = ProGANCritic(SHAPE, base_channels=4), torch.randn(3, *SHAPE)
    scores = {}
    for level in (0, 1e-6, 0.5, 1 - 1e-6, 1):
        net.grow(level)
        scores[level] = net(x).detach()
    torch.testing.assert_close(scores[1e-6], scores[0], rtol=0, atol=1e-4)
    torch.testing.assert_close(scores[1 - 1e-6], scores[1], rtol=0, atol=1e-4)
    assert not torch.allclose(scores[0], scores[1], atol=1e-3)


@pytest.mark.parametrize("level", [0, 1])
def test_a_critic_uses_only_its_current_resolution(level):
    net, x = ProGANCritic(SHAPE, base_channels=4), torch.randn(3, *SHAPE)
    factor = 2 ** (2 - level)
    net.grow(level)
    blurred = interpolate(avg_pool2d(x, factor), scale_factor=factor)
    torch.testing.assert_close(net(blurred), net(x))
    net.grow(level + 1)
    assert not torch.allclose(net(blurred), net(x), atol=1e-4)


def test_layers_beyond_the_level_are_not_computed():
    net, z = generator(), torch.randn(3, LATENT)
    critic, x = ProGANCritic(SHAPE, base_channels=4), torch.randn(3, *SHAPE)
    for level, blocks, images in ((0, "", "0"), (0.5, "0", "01"), (1, "0", "1"), (2, "01", "2")):
        net.grow(level)
        critic.grow(level)
        for names, ends in ((used(net, z), "images"), (used(critic, x), "features")):
            assert {n.split(".")[1] for n in names if n.startswith("blocks")} == set(blocks)
            assert {n.split(".")[1] for n in names if n.startswith(ends)} == set(images)


@pytest.mark.parametrize(
    "make", [generator, lambda: ProGANCritic(SHAPE, base_channels=4)], ids=["generator", "critic"]
)
def test_the_level_is_saved_with_the_weights(make):
    net, x = make(), torch.randn(3, LATENT) if make is generator else torch.randn(3, *SHAPE)
    net.grow(0.7)
    twin = build(net.config())
    assert twin.growth.level == net.doublings, "a new network is grown"
    twin.load_state_dict(net.state_dict())
    assert twin.growth.level == 0.7 and torch.equal(twin(x), net(x))


def test_the_critic_detects_a_collapse():
    critic = ProGANCritic(SHAPE, base_channels=4)
    assert mixes_samples(critic)
    x = torch.randn(4, *SHAPE)
    alone = torch.cat([critic(x[:1].expand(4, -1, -1, -1))[:1], critic(x)[:1]])
    assert not torch.isclose(alone[0], alone[1], atol=1e-4)
