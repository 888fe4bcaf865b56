"""Convolutional networks of every size and aspect, of series and of volumes."""

import pytest
import torch

import advlearn
from advlearn.nets import (
    AutoencoderCritic,
    ConvEncoder,
    DCGANCritic,
    DCGANGenerator,
    build,
    critic_for,
    encoder_for,
    find_architecture,
    generator_for,
)
from advlearn.nets.blocks.resolution import Plan, cropped, padded, plan, widths

SHAPES = [
    (3, 128, 128),
    (3, 64, 96),
    (3, 96, 64),
    (1, 30, 30),
    (3, 33, 47),
    (3, 17, 200),
    (3, 100, 100),
    (1, 256, 256),
    (1, 255, 129),
    (2, 100),
    (64, 1000),
    (1, 16, 20, 24),
]


@pytest.mark.parametrize(
    ("shape", "grid", "doublings"),
    [
        ((1, 28, 28), (7, 7), 2),
        ((3, 64, 64), (4, 4), 4),
        ((3, 44, 44), (11, 11), 2),
        ((3, 128, 128), (4, 4), 5),
        ((3, 256, 256), (4, 4), 6),
        ((3, 64, 96), (4, 6), 4),
        ((1, 30, 30), (4, 4), 3),
        ((3, 33, 47), (5, 6), 3),
        ((2, 100), (7,), 4),
    ],
)
def test_sides_are_halved_to_4_to_7_where_they_can(shape, grid, doublings):
    assert plan(shape) == Plan(grid, doublings)


def test_channels_stop_at_eight_times_those_of_half_resolution():
    assert widths(64, 4) == [64, 128, 256, 512] and widths(64, 6)[-2:] == [512, 512]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_gets_convolutions_of_its_own_shape(shape):
    generator = generator_for(shape, 4, base_channels=2)
    critic = critic_for(shape, base_channels=2)
    energy = critic_for(shape, "energy", base_channels=2)
    encoder = encoder_for(shape, 3, base_channels=2)
    assert type(generator) is DCGANGenerator and type(critic) is DCGANCritic
    assert type(energy) is AutoencoderCritic and type(encoder) is ConvEncoder
    x = generator(torch.randn(2, 4))
    assert x.shape == (2, *shape)
    assert critic(x).shape == (2,) and energy(x).shape == (2,) and encoder(x).shape == (2, 3)
    assert build(generator.config())(torch.randn(2, 4)).shape == x.shape


@pytest.mark.parametrize("classes", [0, 3])
@pytest.mark.parametrize("conditioning", ["projection", "concat"])
def test_conditional_networks_of_odd_sides(classes, conditioning):
    y = torch.tensor([0, 2]) if classes else None
    x = DCGANGenerator(4, (3, 21, 34), base_channels=2, classes=classes)(torch.randn(2, 4), y)
    critic = DCGANCritic((3, 21, 34), 1, 2, classes, conditioning)
    assert critic(x, y).shape == (2,)


def test_a_sample_is_padded_around_and_cut_from_the_middle():
    x = torch.arange(1.0, 18 * 21 + 1).view(1, 1, 18, 21)
    wide = padded(x)
    assert wide.shape == (1, 1, 20, 24)
    assert torch.equal(wide[:, :, 1:19, 1:22], x) and float(wide.sum()) == float(x.sum())
    assert torch.equal(cropped(wide, (1, 18, 21)), x)


def test_padding_keeps_samples_of_whole_plans_as_they_are():
    x = torch.randn(2, 3, 64, 96)
    assert padded(x) is x and cropped(x, (3, 64, 96)) is x


def test_a_critic_scores_the_padded_sample():
    critic = DCGANCritic((1, 18, 21), base_channels=2)
    x = torch.randn(3, 1, 18, 21)
    wide = torch.zeros(3, 1, 20, 24)
    wide[:, :, 1:19, 1:22] = x
    expected = critic.head(critic.flatten(critic.layers(wide))).squeeze(1)
    assert torch.equal(critic(x), expected)


def test_dcgan_is_found_for_every_size_and_other_architectures_say_their_sides():
    assert find_architecture("dcgan", (3, 30, 47)).generator is DCGANGenerator
    with pytest.raises(ValueError, match=r"a side of .* for sngan, got \(3, 30, 47\); .*dcgan"):
        find_architecture("sngan", (3, 30, 47))
    with pytest.raises(ValueError, match="with sides from 8 for dcgan"):
        find_architecture("dcgan", (3, 4, 47))


@pytest.mark.parametrize("shape", [(3, 33, 47), (2, 40), (1, 16, 16, 18)], ids=str)
@pytest.mark.parametrize("method", ["nsgan", "wgan-gp", "began", "bigan", "vae"])
def test_methods_train_on_every_shape(shape, method):
    data = torch.randn(12, *shape).clamp(-1, 1)
    run = advlearn.fit(method, data=data, steps=1, batch_size=4, callbacks=(), base_channels=2)
    assert run.sample(3).shape == (3, *shape) and bool(run.sample(3).isfinite().all())
