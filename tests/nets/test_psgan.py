"""Test PSGAN: textures of any size, translation equivariance, periodic waves, patch scores."""

import math

import pytest
import torch

from advlearn.nets.families.psgan import MARGIN, PSGANCritic, PSGANGenerator

LATENT, SHAPE, CELL = 3, (2, 16, 16), 4  # two doublings


def generator(**settings) -> PSGANGenerator:
    """Make a generator in evaluation mode, so that samples and places are independent."""
    return PSGANGenerator(LATENT, SHAPE, base_channels=4, **settings).eval()


@pytest.mark.parametrize(("height", "width"), [(4, 4), (16, 40), (100, 8)])
def test_a_texture_has_the_requested_size(height, width):
    assert generator().texture(torch.randn(2, LATENT), height, width).shape == (
        2,
        2,
        height,
        width,
    )


def test_shifting_the_grid_shifts_the_image():
    """Shifting the grid by a cell shifts the image by its pixels, including the edge."""
    net = generator()
    grid = net.grid(torch.randn(2, LATENT), 8, 9)
    whole = net.paint(grid)
    torch.testing.assert_close(net.paint(grid[:, :, 1:]), whole[:, :, CELL:])
    torch.testing.assert_close(net.paint(grid[:, :, :-2, 3:]), whole[:, :, : -2 * CELL, 3 * CELL :])


def test_only_the_margin_of_the_grid_is_cut_off():
    """The first pixel of an image depends on cells of the margin up to two cells away."""
    net = generator()
    grid = net.grid(torch.randn(1, LATENT), 8, 8).detach().requires_grad_()
    net.paint(grid)[0, :, 0, 0].sum().backward()
    reached = grid.grad[0].abs().sum((0, 2)) > 0
    assert reached[: MARGIN + 2].any() and reached[MARGIN - 1] and not reached[MARGIN + 2 :].any()


def test_the_grid_holds_latent_noise_and_waves():
    net = generator(local=500, waves=2)
    z = torch.randn(4, LATENT)
    grid = net.grid(z, 6, 7).detach()
    latent, noise, waves = grid.split([LATENT, 500, 2], 1)
    assert torch.equal(latent, z[:, :, None, None].expand(-1, -1, 6, 7))
    assert -1 <= noise.min() < -0.99 and 0.99 < noise.max() < 1
    assert abs(float(noise.mean())) < 0.02 and float(noise.var()) == pytest.approx(1 / 3, rel=0.02)
    # sin(a + 2 k) + sin(a) = 2 cos(k) sin(a + k): a wave satisfies this for any phase.
    down, right = net.numbers(z).detach()[:, :, None, None].chunk(2, 1)
    torch.testing.assert_close(
        waves[:, :, 2:] + waves[:, :, :-2], 2 * down.cos() * waves[:, :, 1:-1], atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(
        waves[..., 2:] + waves[..., :-2], 2 * right.cos() * waves[..., 1:-1], atol=1e-5, rtol=1e-4
    )


def test_periodic_waves_give_a_periodic_texture():
    """With waves of three cells and constant noise, the texture has a period of three cells."""
    net = generator(local=2, waves=2)
    grid = net.grid(torch.randn(1, LATENT), 12, 12).detach()
    place = torch.arange(12.0)
    grid[:, LATENT : LATENT + 2] = 0.5
    grid[:, LATENT + 2] = torch.sin(2 * math.pi / 3 * place)[:, None].expand(12, 12)
    grid[:, LATENT + 3] = torch.sin(2 * math.pi / 3 * place + 1).expand(12, 12)
    x = net.paint(grid).detach()
    torch.testing.assert_close(x[:, :, 3 * CELL :], x[:, :, : -3 * CELL])
    torch.testing.assert_close(x[..., 3 * CELL :], x[..., : -3 * CELL])
    assert x.std() > 1e-3


def test_one_latent_gives_different_draws_of_one_texture():
    net, z = generator(), torch.randn(1, LATENT)
    assert not torch.equal(net(z), net(z))
    torch.manual_seed(3)
    first = net(z)
    torch.manual_seed(3)
    assert torch.equal(net(z), first)


def test_a_score_depends_only_on_its_patch():
    critic, x = (
        PSGANCritic((1, 32, 32), base_channels=4),
        torch.randn(1, 1, 32, 32, requires_grad=True),
    )
    scores = critic(x)
    assert scores.shape == (1, 16)
    scores[0, 5].backward()  # the second row and the second column of four
    rows = x.grad[0, 0].abs().sum(1).nonzero().flatten()
    side = 3 * 2**3 - 2
    assert side == 22 and (int(rows[0]), int(rows[-1])) == (8 - 7, 8 - 7 + side - 1)


def test_several_scores_are_means_over_the_places():
    critic = PSGANCritic(SHAPE, out_features=3, base_channels=4)
    x = torch.randn(2, *SHAPE)
    torch.testing.assert_close(critic(x), critic.head(critic.layers(x)).mean((2, 3)))


@pytest.mark.parametrize(
    ("height", "width", "name"),
    [(10, 8, "height"), (8, 0, "width"), (8, -4, "width")],
)
def test_a_size_that_the_grid_does_not_divide_is_one_line(height, width, name):
    with pytest.raises(ValueError, match=f"{name}: expected a multiple of 4 pixels"):
        generator().texture(torch.randn(1, LATENT), height, width)
