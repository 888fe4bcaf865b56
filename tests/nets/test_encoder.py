import pytest
import torch
from torch import nn
from torch.nn.functional import leaky_relu

from advlearn.nets import DCGANGenerator, build
from advlearn.nets.encoder import ConvEncoder, MLPEncoder, PairCritic, encoder_for

ENCODERS = [
    ConvEncoder((1, 28, 28), 5, 4),
    ConvEncoder((3, 32, 32), 1, 4, "none"),
    MLPEncoder((3, 4), 5, (8,)),
]


@pytest.mark.parametrize("net", ENCODERS, ids=lambda n: str(n.config()))
def test_a_config_and_the_weights_rebuild_an_encoder(net):
    x = torch.randn(4, *net.shape)
    twin = build(net.config())
    twin.load_state_dict(net.state_dict())
    out = net.eval()(x)
    assert out.shape == (4, net.outputs) and torch.equal(out, twin.eval()(x))
    assert torch.equal(out, net.head(net.features(x)))
    with pytest.raises(ValueError, match="x: expected shape"):
        net(x[:, :1, :1])


def test_a_convolutional_encoder_mirrors_the_generator():
    generator = DCGANGenerator(5, (3, 64, 64), 4)
    encoder = ConvEncoder((3, 64, 64), 5, 4)
    up = [
        (m.out_channels, m.in_channels)
        for m in generator.layers
        if isinstance(m, nn.ConvTranspose2d)
    ]
    down = [(m.in_channels, m.out_channels) for m in encoder.features if isinstance(m, nn.Conv2d)]
    assert down == up[::-1]
    normed = [m for m in encoder.features if isinstance(m, nn.BatchNorm2d)]
    assert len(normed) == len(down) - 1


def test_gradient_reaches_every_weight():
    for net in (*ENCODERS, PairCritic(nn.Linear(6, 8), 8, latent=3, marginal_terms=True)):
        net.train()
        inputs = (
            (torch.randn(4, 6), torch.randn(4, 3))
            if isinstance(net, PairCritic)
            else (torch.randn(4, *net.shape),)
        )
        net(*inputs).square().sum().backward()
        assert all(p.grad is not None and p.grad.any() for p in net.parameters())


def test_a_pair_is_scored_by_the_formula():
    critic = PairCritic(nn.Linear(2, 8), 8, latent=3, out_features=2, marginal_terms=True)
    x, z = torch.randn(5, 2), torch.randn(5, 3)
    f, h = leaky_relu(critic.of_sample[0](x), 0.2), leaky_relu(critic.of_code[0](z), 0.2)
    expected = [
        critic.pair(torch.cat([f, h], 1)),
        critic.marginal_terms[0](f),
        critic.marginal_terms[1](h),
    ]
    torch.testing.assert_close(critic(x, z), torch.cat(expected, 1))
    plain = PairCritic(nn.Linear(2, 8), 8, latent=3)
    assert plain(x, z).shape == (5, 1)
    with pytest.raises(ValueError, match=r"z: expected shape \(N, 3\), got \(5, 4\)"):
        plain(x, torch.zeros(5, 4))


def test_sizes_are_checked():
    assert isinstance(encoder_for((1, 8, 8), 4, 4), MLPEncoder)
    assert isinstance(encoder_for((1, 16, 16), 4, 4), ConvEncoder)
    with pytest.raises(ValueError, match="norm: expected one of batch, none, got 'layer'"):
        ConvEncoder((1, 16, 16), 4, norm="layer")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="outputs: expected a whole number of at least 1"):
        encoder_for((2,), 0)
