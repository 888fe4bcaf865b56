"""Test residual translators: sizes, pixel shuffle, and the start of super-resolution."""

import pytest
import torch
from torch.nn.functional import interpolate

from advlearn.nets import build
from advlearn.nets.families.translators import ResidualTranslator, SRGANGenerator


@pytest.mark.parametrize("side", [(8, 8), (16, 16), (28, 28), (9, 15)])
def test_the_residual_translator_keeps_the_size(side: tuple[int, int]) -> None:
    result = ResidualTranslator((1, *side), 3, base_channels=2, blocks=1)(torch.rand(2, 1, *side))
    assert result.shape == (2, 3, *side) and result.abs().max() <= 1


def test_super_resolution_starts_as_the_bicubic_enlargement() -> None:
    net = SRGANGenerator((3, 6, 6), 3, base_channels=4, blocks=1)
    x = torch.rand(2, 3, 6, 6)
    assert torch.equal(net(x), interpolate(x, scale_factor=4, mode="bicubic"))


def test_the_shuffle_lays_four_channels_out_as_one_square() -> None:
    net = SRGANGenerator((1, 2, 2), 2, factor=2, base_channels=1, blocks=1)
    convolution, shuffle, _ = net.up
    assert isinstance(shuffle, torch.nn.PixelShuffle) and convolution.out_channels == 4
    laid = shuffle(torch.tensor([1.0, 2.0, 3.0, 4.0]).view(1, 4, 1, 1).expand(1, 4, 2, 2))
    assert torch.equal(laid[0, 0], torch.tensor([[1.0, 2.0], [3.0, 4.0]]).repeat(2, 2))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_every_factor_enlarges_and_reaches_every_weight(factor: int) -> None:
    net = SRGANGenerator((1, 4, 4), 3, factor=factor, base_channels=2, blocks=2)
    result = net(torch.rand(2, 1, 4, 4))
    assert result.shape == (2, 3, 4 * factor, 4 * factor)
    result.sum().backward()
    assert all(p.grad is not None for p in net.parameters())


@pytest.mark.parametrize(
    "net", [ResidualTranslator((1, 8, 8), 1, 2, 1), SRGANGenerator((1, 4, 4), 1, 2, 2, 1)]
)
def test_a_config_rebuilds_the_network(net: ResidualTranslator | SRGANGenerator) -> None:
    twin = build(net.config())
    twin.load_state_dict(net.state_dict())
    x = torch.rand(2, *net.shape)
    assert torch.equal(twin(x), net(x))


def test_bad_sizes_are_one_line() -> None:
    with pytest.raises(ValueError, match=r"^factor: expected a power of two from 2, got 3$"):
        SRGANGenerator((1, 4, 4), 1, factor=3)
    with pytest.raises(ValueError, match=r"^shape: expected .* at least 8 pixels"):
        ResidualTranslator((1, 7, 8), 1)
    with pytest.raises(ValueError, match=r"^blocks: expected a whole number of at least 1, got 0;"):
        ResidualTranslator((1, 8, 8), 1, blocks=0)
    with pytest.raises(ValueError, match=r"^x: expected shape"):
        SRGANGenerator((1, 4, 4), 1)(torch.zeros(1, 1, 5, 4))
