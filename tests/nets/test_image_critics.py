"""pix2pixHD's multi-scale critic and Real-ESRGAN's U-Net critic against references by hand."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advlearn import Adversary
from advlearn.nets import MultiScalePatchCritic, UNetCritic, build


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def test_the_patch_critics_have_the_published_parameters() -> None:
    widths = [3, 64, 128, 256, 512, 1]
    one = sum(b * (a * 16 + 1) for a, b in itertools.pairwise(widths))
    assert one == 2_764_737
    assert parameters(MultiScalePatchCritic(scales=3)) == 3 * one


def instance_norm(x: Tensor) -> Tensor:
    mean = x.mean((2, 3), keepdim=True)
    return (x - mean) / ((x - mean).square().mean((2, 3), keepdim=True) + 1e-5).sqrt()


def test_each_scale_is_a_patch_critic_of_the_smaller_image() -> None:
    torch.manual_seed(0)
    critic = MultiScalePatchCritic(2, scales=3, base_channels=2, halvings=2).double()
    x = torch.randn(2, 2, 24, 20, dtype=torch.float64)
    logits, maps = critic(x)
    for scores, layers, part in zip(logits, maps, critic.critics, strict=True):
        h = x
        convolutions = [m for m in part.modules() if isinstance(m, nn.Conv2d)]
        for k, (layer, stride) in enumerate(zip(convolutions, (2, 2, 1, 1), strict=True)):
            h = F.conv2d(h, layer.weight, layer.bias, stride, 2)
            if 0 < k < 3:
                h = instance_norm(h)
            if k < 3:
                h = torch.where(h > 0, h, 0.2 * h)
                torch.testing.assert_close(layers[k], h)
        torch.testing.assert_close(scores, h)
        ones = torch.ones(2, 1, 3, 3, dtype=torch.float64)
        sums = F.conv2d(x, ones, None, 2, 1, groups=2)
        x = sums / F.conv2d(torch.ones_like(x), ones, None, 2, 1, groups=2)  # pixels that exist


def test_widths_double_up_to_eight_times_the_first() -> None:
    critic = MultiScalePatchCritic(3, scales=1, base_channels=4, halvings=5)
    widths = [m.out_channels for m in critic.modules() if isinstance(m, nn.Conv2d)]
    assert widths == [4, 8, 16, 32, 32, 32, 1]


def test_the_u_net_critic_has_the_published_parameters() -> None:
    f = 64
    by_hand = 3 * f * 9 + f + 16 * (2 * f * f + 8 * f * f + 32 * f * f)
    by_hand += 9 * (32 * f * f + 8 * f * f + 2 * f * f) + 2 * 9 * f * f + 9 * f + 1
    assert by_hand == parameters(UNetCritic()) == 4_376_897


def test_the_u_net_critic_equals_the_published_forward_pass() -> None:
    torch.manual_seed(0)
    critic = UNetCritic(2, base_channels=3).double().eval()
    x = torch.randn(2, 2, 16, 24, dtype=torch.float64)

    def lrelu(x: Tensor) -> Tensor:
        return torch.where(x > 0, x, 0.2 * x)

    def enlarged(x: Tensor) -> Tensor:
        size = [2 * s for s in x.shape[2:]]
        return F.interpolate(x, size, mode="bilinear", align_corners=False)

    x0 = lrelu(F.conv2d(x, critic.first.weight, critic.first.bias, 1, 1))
    x1, x2, x3 = None, None, None
    weights = [layer.weight for layer in critic.down]
    x1 = lrelu(F.conv2d(x0, weights[0], None, 2, 1))
    x2 = lrelu(F.conv2d(x1, weights[1], None, 2, 1))
    x3 = lrelu(F.conv2d(x2, weights[2], None, 2, 1))
    weights = [layer.weight for layer in critic.up]
    x4 = lrelu(F.conv2d(enlarged(x3), weights[0], None, 1, 1)) + x2
    x5 = lrelu(F.conv2d(enlarged(x4), weights[1], None, 1, 1)) + x1
    x6 = lrelu(F.conv2d(enlarged(x5), weights[2], None, 1, 1)) + x0
    for layer in critic.after:
        x6 = lrelu(F.conv2d(x6, layer.weight, None, 1, 1))
    expected = F.conv2d(x6, critic.last.weight, critic.last.bias, 1, 1)
    torch.testing.assert_close(critic(x), expected)


def test_inner_layers_of_the_u_net_critic_have_largest_singular_value_one() -> None:
    torch.manual_seed(0)
    critic = UNetCritic(1, base_channels=4)
    for _ in range(200):
        critic(torch.zeros(1, 1, 8, 8))
    for layer in (*critic.down, *critic.up, *critic.after):
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2)
        torch.testing.assert_close(largest, torch.ones(()), atol=1e-2, rtol=0)


def test_the_u_net_critic_trains_with_cut_mix() -> None:
    adversary = Adversary(UNetCritic(1, base_channels=2), "nsgan + cutmix")
    real, fake = torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8, requires_grad=True)
    adversary.update(real, fake)
    assert adversary.last_losses["CutMix"] > 0
    adversary.player_loss(real, fake).backward()
    assert fake.grad is not None and bool((fake.grad != 0).all())


@pytest.mark.parametrize(
    "critic",
    [MultiScalePatchCritic(1, scales=2, base_channels=2, halvings=1), UNetCritic(1, 2, "none")],
    ids=lambda c: str(c.config()),
)
def test_recipes_rebuild(critic: Any) -> None:
    twin = build(critic.config())
    twin.load_state_dict(critic.state_dict())
    x = torch.rand(2, 1, 16, 16)
    torch.testing.assert_close(twin(x), critic(x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (
            lambda: MultiScalePatchCritic(3, scales=2)(torch.zeros(1, 3, 15, 32)),
            r"^x: expected images \(N, 3, H, W\) of at least 16 pixels a side, got \(1, 3, 15",
        ),
        (
            lambda: MultiScalePatchCritic(scales=0),
            r"^scales: expected a whole number of at least 1, got 0",
        ),
        (lambda: UNetCritic(norm="batch"), r"^norm: expected one of weight, spectral, none"),
        (
            lambda: UNetCritic(1, 2)(torch.zeros(1, 1, 12, 8)),
            r"^x: expected images \(N, 1, H, W\) with H and W multiples of 8, got \(1, 1, 12, 8\)",
        ),
    ],
)
def test_bad_sizes_are_one_line(make: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        make()
