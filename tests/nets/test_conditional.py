"""Test conditional batch norm and the projection head, with and without a condition."""

import pytest
import torch
from torch import nn

from advlearn.nets.blocks.conditional import ConditionalBatchNorm, ProjectionHead, class_indicators
from advlearn.nets.families.sngan import SNGANCritic, SNGANGenerator


def test_conditional_batch_norm_starts_as_plain_batch_norm() -> None:
    x, c = torch.randn(8, 4, 3, 3), torch.randn(8, 5)
    plain = nn.BatchNorm2d(4, affine=False)
    layer = ConditionalBatchNorm(4, condition=5)
    torch.testing.assert_close(layer(x, c), plain(x))
    torch.testing.assert_close(layer.eval()(x, c), plain.eval()(x))


def test_without_a_condition_the_layer_is_plain_batch_norm_with_gain_and_bias() -> None:
    x, layer = torch.randn(8, 4, 3, 3), ConditionalBatchNorm(4)
    plain = nn.BatchNorm2d(4)
    assert {name for name, _ in layer.named_parameters()} == {"norm.weight", "norm.bias"}
    torch.testing.assert_close(layer(x), plain(x))


def test_each_class_has_its_gain_and_bias() -> None:
    layer = ConditionalBatchNorm(2, condition=3)
    assert layer.gain is not None and layer.bias is not None
    nn.init.normal_(layer.gain.weight)
    nn.init.normal_(layer.bias.weight)
    x, y = torch.randn(5, 2, 3, 3), torch.tensor([0, 2, 1, 1, 0])
    c = class_indicators(y, 3, like=x)
    normal = (x - x.mean((0, 2, 3), keepdim=True)) / (
        x.var((0, 2, 3), unbiased=False, keepdim=True) + 1e-5
    ).sqrt()
    gain, bias = layer.gain.weight.T[y], layer.bias.weight.T[y]
    torch.testing.assert_close(
        layer(x, c), (1 + gain)[:, :, None, None] * normal + bias[:, :, None, None]
    )


def test_a_score_is_the_sum_of_a_linear_layer_and_a_projection() -> None:
    head = ProjectionHead(4, out_features=2, condition=3)
    assert head.projection is not None
    h, y = torch.randn(5, 4), torch.tensor([0, 2, 1, 1, 0])
    table = head.projection.weight.T.unflatten(1, (2, 4))
    expected = torch.stack(
        [head.linear.weight @ h[i] + head.linear.bias + table[y[i]] @ h[i] for i in range(5)]
    )
    torch.testing.assert_close(head(h, class_indicators(y, 3, like=h)), expected)


def test_without_a_condition_a_score_is_linear() -> None:
    head, h = ProjectionHead(4), torch.randn(5, 4)
    assert torch.equal(head(h), head.linear(h))


@pytest.mark.parametrize(
    "layer", [ConditionalBatchNorm(4, condition=3), ProjectionHead(4, condition=3)]
)
def test_a_missing_condition_or_one_of_another_size_is_one_line(layer: nn.Module) -> None:
    x = torch.randn(2, 4, 2, 2) if isinstance(layer, ConditionalBatchNorm) else torch.randn(2, 4)
    with pytest.raises(ValueError, match=r"c: expected vectors \(N, 3\), got None"):
        layer(x)
    with pytest.raises(ValueError, match=r"c: expected shape \(N, 3\), got \(2, 5\)"):
        layer(x, torch.zeros(2, 5))


@pytest.mark.parametrize("layer", [ConditionalBatchNorm(4), ProjectionHead(4)])
def test_an_unexpected_condition_is_refused_in_one_line(layer: nn.Module) -> None:
    x = torch.randn(2, 4, 2, 2) if isinstance(layer, ConditionalBatchNorm) else torch.randn(2, 4)
    with pytest.raises(ValueError, match="c: expected None"):
        layer(x, torch.zeros(2, 3))
    with pytest.raises(ValueError, match="condition: expected a whole number of at least 0"):
        type(layer)(4, condition=-1)


def test_a_projection_distinguishes_classes_only_by_its_table() -> None:
    critic = SNGANCritic((1, 16, 16), base_channels=4, classes=3)
    plain = SNGANCritic((1, 16, 16), base_channels=4)
    assert critic.head.projection is not None
    nn.init.zeros_(critic.head.projection.weight)
    plain.load_state_dict({k: v for k, v in critic.state_dict().items() if "projection" not in k})
    x = torch.randn(3, 1, 16, 16)
    torch.testing.assert_close(critic(x, torch.arange(3)), plain(x))


def test_the_class_does_not_change_a_new_generator() -> None:
    net, z = SNGANGenerator(4, (1, 16, 16), base_channels=4, classes=3).eval(), torch.randn(1, 4)
    images = net(z.expand(3, -1), torch.arange(3))
    torch.testing.assert_close(images, images[:1].expand(3, -1, -1, -1))
