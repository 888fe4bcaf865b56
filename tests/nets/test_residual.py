"""Test residual blocks and networks: formulas, published channel counts, initial values."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, conv2d, interpolate, relu

from advlearn.nets.blocks.residual import (
    DownBlock,
    UpBlock,
    UpTrunk,
    down_channels,
    grids,
    normalise,
    up_channels,
)
from advlearn.nets.families.biggan import BigGANGenerator, parts
from advlearn.nets.families.r3gan import Doubled, Halved, InvertedBlock, R3GANCritic, R3GANGenerator
from advlearn.nets.families.sagan import SAGANCritic, SAGANGenerator
from advlearn.nets.families.sngan import SNGANCritic, SNGANGenerator
from advlearn.nets.network import Network


def test_an_up_block_agrees_with_its_formula() -> None:
    x, block = torch.randn(4, 6, 4, 4), UpBlock(6, 4)
    norms = nn.BatchNorm2d(6, affine=False), nn.BatchNorm2d(4, affine=False)
    up = {"scale_factor": 2.0, "mode": "nearest"}
    branch = conv2d(interpolate(relu(norms[0](x)), **up), block.conv1.weight, padding=1)
    branch = conv2d(relu(norms[1](branch)), block.conv2.weight, padding=1)
    torch.testing.assert_close(
        block(x), conv2d(interpolate(x, **up), block.shortcut.weight) + branch
    )


@pytest.mark.parametrize("first", [False, True])
def test_a_down_block_agrees_with_its_formula(first: bool) -> None:
    x, block = torch.randn(4, 3, 6, 6), DownBlock(3, 5, first=first)
    branch = block.conv2(relu(block.conv1(x if first else relu(x))))
    torch.testing.assert_close(block(x), avg_pool2d(block.shortcut(x), 2) + avg_pool2d(branch, 2))


def test_a_block_of_equal_size_has_an_identity_shortcut() -> None:
    x, block = torch.randn(4, 5, 6, 6), DownBlock(5, 5, halves=False)
    nn.init.zeros_(block.conv2.weight)
    assert torch.equal(block(x), x)


def test_the_channels_are_those_of_the_papers() -> None:
    assert up_channels((3, 32, 32), 256) == [256] * 4
    assert up_channels((3, 128, 128), 64) == [1024, 1024, 512, 256, 128, 64]
    assert [a for _, a, _ in down_channels((3, 32, 32), 128)] == [128] * 4
    assert [(a, h) for _, a, h in down_channels((3, 128, 128), 64)] == [
        *((64, True), (128, True), (256, True), (512, True), (1024, True)),
        (1024, False),
    ]
    assert [grids((1, s, s))[0] for s in (16, 28, 32, 64, 128)] == [4, 7, 4, 4, 4]


def count(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_the_cifar_networks_have_the_parameters_of_the_tables() -> None:
    """Miyato et al. 2018, table 4: 128 latents, three blocks of 256; four blocks of 128."""
    norm, three = 2 * 256, 9 * 256 * 256
    generator = (
        128 * 16 * 256 + 16 * 256 + 3 * (2 * norm + 2 * three + 256 * 256) + norm + 9 * 256 * 3 + 3
    )
    assert count(SNGANGenerator(128, (3, 32, 32), base_channels=256)) == generator
    plain = 2 * (9 * 128 * 128 + 128)
    first = 9 * 3 * 128 + 128 + 9 * 128 * 128 + 128 + 3 * 128 + 128
    critic = first + plain + 128 * 128 + 128 + 2 * plain + 128 + 1
    assert count(SNGANCritic((3, 32, 32), base_channels=128)) == critic


@pytest.mark.parametrize("of", [(SNGANGenerator, SAGANGenerator), (SNGANCritic, SAGANCritic)])
def test_attention_is_the_only_addition_and_starts_as_the_identity(
    of: tuple[type[Network], type[Network]],
) -> None:
    generates = of[0] is SNGANGenerator
    sizes = (8, (1, 16, 16), 4) if generates else ((1, 16, 16), 1, 4)
    plain = of[0](*sizes)
    attending = of[1](*sizes, spectral=False) if generates else of[1](*sizes)
    rest = [v for k, v in attending.state_dict().items() if not _attends(attending, k)]
    assert len(rest) == len(attending.state_dict()) - 5
    plain.load_state_dict(dict(zip(plain.state_dict(), rest, strict=True)))
    x = torch.randn(3, 8) if generates else torch.randn(3, 1, 16, 16)
    torch.testing.assert_close(attending.eval()(x), plain.eval()(x))


def _attends(net: nn.Module, key: str) -> bool:
    return any(
        key.startswith(n + ".")
        for n, m in net.named_modules()
        if type(m).__name__ == "SelfAttention"
    )


def test_a_normalised_generator_has_layers_of_norm_one() -> None:
    trunk = UpTrunk(8, (1, 16, 16), 4, (3, 3), attention=8)
    normalise(trunk)
    for layer in (trunk.project, trunk.last, trunk.blocks[0].conv1, trunk.attention.query):
        matrix = layer.eval().weight.flatten(1)
        torch.testing.assert_close(
            torch.linalg.matrix_norm(matrix, ord=2), torch.ones(()), rtol=0.02, atol=0
        )
    assert not trunk.blocks[0].norm1.gain.weight.any()


def test_each_part_of_a_hierarchical_latent_reaches_its_block() -> None:
    net = BigGANGenerator(7, (1, 16, 16), base_channels=4).eval()
    assert net.parts == [3, 2, 2] and sum(parts(100, 6)) == 100
    z = torch.randn(1, 7)
    moved = z.clone()
    moved[:, 5:] += 1
    grid = net.trunk.project(z[:, :3]).unflatten(1, net.trunk.grid)
    first = net.trunk.blocks[0](grid, z[:, 3:5])
    # The last part enters only the last block.
    outputs = []
    handle = net.trunk.blocks[0].register_forward_hook(lambda m, i, o: outputs.append(o))
    images = net(z), net(moved)
    handle.remove()
    assert torch.equal(outputs[0], outputs[1]) and torch.equal(outputs[0], first)
    assert not torch.allclose(*images)


def test_the_orthogonal_term_of_biggan_agrees_with_its_formula() -> None:
    net = BigGANGenerator(7, (1, 16, 16), base_channels=4, orthogonal=0.5)
    layers = [m for m in net.trunk.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    expected = torch.zeros(())
    for layer in layers:
        own = dict(layer.named_parameters())
        original = own["weight"] if "weight" in own else own["parametrizations.weight.original"]
        with torch.no_grad():
            original *= 3  # which the normalised weight hides
        w = original.flatten(1)
        overlap = w @ w.T
        expected = expected + 0.5 * (overlap.square().sum() - overlap.diag().square().sum())
    torch.testing.assert_close(net.penalty(), expected)


def test_the_orthogonal_term_starts_at_zero_except_for_tall_matrices() -> None:
    net = BigGANGenerator(7, (1, 16, 16), base_channels=4, spectral=False)
    for layer in net.trunk.modules():
        if (
            isinstance(layer, (nn.Conv2d, nn.Linear))
            and len(layer.weight) > layer.weight[0].numel()
        ):
            nn.init.zeros_(layer.weight)
    assert net.penalty() < 1e-12
    nn.init.ones_(net.trunk.last.weight)
    nn.init.ones_(net.trunk.blocks[0].conv1.weight)
    rows, columns = net.trunk.blocks[0].conv1.weight.flatten(1).shape
    # Each pair of rows of ones has the number of columns as its product; one row has no pair.
    expected = torch.tensor(1e-4 * rows * (rows - 1) * columns**2)
    torch.testing.assert_close(net.penalty(), expected)


def test_too_few_latents_are_one_line() -> None:
    with pytest.raises(
        ValueError, match="latent: expected at least 3, one more than there are blocks, got 2"
    ):
        BigGANGenerator(2, (1, 16, 16), base_channels=4)
    with pytest.raises(ValueError, match="orthogonal: expected a number of at least 0"):
        BigGANGenerator(8, (1, 16, 16), base_channels=4, orthogonal=-1.0)


def test_resampling_is_bilinear() -> None:
    line = torch.tensor([0.0, 4.0, 8.0])
    up = Doubled()(line.expand(1, 1, 3, 3))[0, 0]
    torch.testing.assert_close(up, torch.tensor([0.0, 1, 3, 5, 7, 8]).expand(6, 6))
    x = torch.randn(2, 3, 8, 8)
    # Away from the border, halving is the transpose of doubling up to the factor of the area.
    a, b = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 16, 16)
    a[..., 2:6, 2:6], b[..., 4:12, 4:12] = torch.randn(4, 4), torch.randn(8, 8)
    torch.testing.assert_close((Doubled()(a) * b).sum(), 4 * (a * Halved()(b)).sum())
    torch.testing.assert_close(Halved()(torch.ones_like(x)), torch.ones(2, 3, 4, 4))


def test_an_inverted_block_agrees_with_its_formula_and_starts_near_the_identity() -> None:
    x, block = torch.randn(4, 32, 4, 4), InvertedBlock(32, depth=8)
    assert block.conv2.groups == 4 and block.conv2.weight.shape == (64, 16, 3, 3)
    assert (block(x) - x).abs().max() < 0.01 * x.abs().max()
    nn.init.normal_(block.conv3.weight)
    act = nn.LeakyReLU(0.2)
    torch.testing.assert_close(block(x), x + block.conv3(act(block.conv2(act(block.conv1(x))))))


def test_r3gan_mixes_no_samples_and_has_no_norm() -> None:
    nets = (
        R3GANGenerator(8, (1, 16, 16), base_channels=4),
        R3GANCritic((1, 16, 16), base_channels=4),
    )
    assert not [m for net in nets for m in net.modules() if "Norm" in type(m).__name__]
    z = torch.randn(4, 8)
    torch.testing.assert_close(nets[0](z)[:2], nets[0](z[:2]))


@pytest.mark.parametrize("net", [SNGANCritic, R3GANCritic])
def test_a_bad_shape_is_one_line(net: type[Network]) -> None:
    with pytest.raises(ValueError, match="shape: expected"):
        net((1, 20, 20))
    with pytest.raises(ValueError, match="shape: expected"):
        net((1, 256, 256))
