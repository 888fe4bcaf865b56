"""Test the U-Net: sizes, shortcuts and joint dropout."""

import pytest
import torch
from torch import nn

from advlearn.nets import build
from advlearn.nets.families.unet import JointDropout, UNetGenerator


@pytest.mark.parametrize("side", [(4, 4), (7, 7), (8, 8), (28, 28), (30, 17), (32, 32)])
def test_every_size_is_kept(side: tuple[int, int]) -> None:
    net = UNetGenerator((2, *side), 3, base_channels=2)
    result = net(torch.rand(2, 2, *side))
    assert result.shape == (2, 3, *side) and result.abs().max() <= 1


def test_it_halves_down_to_two_or_three_pixels() -> None:
    net = UNetGenerator((1, 28, 28), 1, base_channels=2)
    sizes: list[torch.Size] = []
    for layer in net.down:
        layer.register_forward_hook(lambda _m, _i, o: sizes.append(o.shape[2:]))
    net(torch.zeros(1, 1, 28, 28))
    assert [tuple(s) for s in sizes] == [(14, 14), (7, 7), (3, 3)]


def test_without_the_down_path_only_the_full_resolution_shortcut_is_left() -> None:
    net = UNetGenerator((1, 8, 8), 1, base_channels=2, tanh_output=False)
    nn.init.zeros_(net.last.weight)
    nn.init.zeros_(net.last.bias)  # type: ignore[arg-type]
    with torch.no_grad():
        net.last.weight[0, -1, 1, 1] = 1
    x = torch.rand(2, 1, 8, 8)
    torch.testing.assert_close(net(x), x)


def test_every_weight_and_every_pixel_gets_a_gradient() -> None:
    net = UNetGenerator((1, 32, 32), 1, base_channels=2)
    x = torch.rand(2, 1, 32, 32).requires_grad_()
    net(x)[:, :, 16, 16].sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert x.grad is not None and (x.grad[0, 0] != 0).all()


def test_dropout_is_in_two_layers_and_only_in_training() -> None:
    net = UNetGenerator((1, 32, 32), 1, base_channels=2, dropout=0.5)
    assert [m.p for m in net.modules() if isinstance(m, JointDropout)] == [0.5, 0.5, 0.0, 0.0]
    x = torch.rand(1, 1, 32, 32)
    assert not torch.equal(net(x), net(x))
    net.eval()
    assert torch.equal(net(x), net(x))


def test_dropout_keeps_the_mean() -> None:
    kept = JointDropout(0.25)(torch.ones(200, 200))
    assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(1.0) / 0.75)}
    assert abs(float((kept > 0).float().mean()) - 0.75) < 0.01


def test_a_config_rebuilds_the_network() -> None:
    net = UNetGenerator((1, 8, 8), 2, base_channels=2, tanh_output=False)
    twin = build(net.config())
    twin.load_state_dict(net.state_dict())
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(twin(x), net(x))


def test_bad_sizes_are_one_line() -> None:
    with pytest.raises(
        ValueError,
        match=r"^shape: expected \(C, H, W\) of at least 4 pixels a side, got \(1, 3, 8\)$",
    ):
        UNetGenerator((1, 3, 8), 1)
    with pytest.raises(ValueError, match=r"^dropout: expected a number in \[0, 1\), got 1$"):
        UNetGenerator((1, 8, 8), 1, dropout=1)
    with pytest.raises(ValueError, match=r"^x: expected shape"):
        UNetGenerator((1, 8, 8), 1)(torch.zeros(2, 1, 8, 9))
