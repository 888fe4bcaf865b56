"""HiFi-GAN's and DAC's critics against the published code's numbers and references by hand."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from advlearn.nets import MultiPeriodCritic, MultiScaleCritic, SpectrogramBandCritic, build

CRITICS = [
    MultiPeriodCritic(periods=(2, 3), base_channels=2),
    MultiPeriodCritic(2, periods=(2, 5), base_channels=2, norm="spectral"),
    MultiScaleCritic(scales=2, base_channels=16, norm="none"),
    MultiScaleCritic(scales=3, base_channels=16),
    SpectrogramBandCritic(fft_sizes=(64, 32), base_channels=3),
]


def parameters(net: nn.Module) -> int:
    return sum(p.numel() for p in net.parameters())


def convolution(before: int, after: int, kernel: int, groups: int = 1, gains: int = 1) -> int:
    """Weights, biases and the gains of weight normalisation of one layer."""
    return after * (before // groups) * kernel + after * (1 + gains)


def test_the_multi_period_critic_has_the_published_parameters() -> None:
    widths = [1, 32, 128, 512, 1024, 1024]
    layers = [convolution(a, b, 5) for a, b in itertools.pairwise(widths)]
    assert 5 * (sum(layers) + convolution(1024, 1, 3)) == 41_105_770
    assert parameters(MultiPeriodCritic()) == 41_105_770  # 41.1 M


def test_the_multi_scale_critic_has_the_published_parameters() -> None:
    layers = [(1, 128, 15, 1), (128, 128, 41, 4), (128, 256, 41, 16), (256, 512, 41, 16)]
    layers += [(512, 1024, 41, 16), (1024, 1024, 41, 16), (1024, 1024, 5, 1), (1024, 1, 3, 1)]
    first = sum(convolution(*layer, gains=0) for layer in layers)  # spectral norm has no gain
    assert first + 2 * sum(convolution(*layer) for layer in layers) == 29_618_821
    assert parameters(MultiScaleCritic()) == 29_618_821


def test_the_spectrogram_critic_has_the_published_parameters_and_maps() -> None:
    band = convolution(2, 32, 27) + 3 * convolution(32, 32, 27) + convolution(32, 32, 9)
    one = 5 * band + convolution(32, 1, 9)
    critic = SpectrogramBandCritic()
    assert parameters(critic) == 3 * one
    logits, maps = critic(torch.randn(1, 1, 8192))
    # One frame for each hop of 512, 256 and 128 samples; a band of n frequencies ends with n / 8.
    for size, scores, layers in zip((2048, 1024, 512), logits, maps, strict=True):
        edges = [int(e * (size // 2 + 1)) for e in (0, 0.1, 0.25, 0.5, 0.75, 1)]
        columns = sum(-(-(b - a) // 8) for a, b in itertools.pairwise(edges))
        assert scores.shape == (1, 1, 8192 // (size // 4), columns)
        assert [m.shape[3] for m in layers[:5]] == [-(-edges[1] // s) for s in (1, 2, 4, 8, 8)]


def weight_and_bias(layer: Any) -> tuple[Tensor, Tensor]:
    return layer.weight, layer.bias


def test_each_period_convolves_every_column_of_the_folded_waveform_alone() -> None:
    torch.manual_seed(0)
    critic = MultiPeriodCritic(periods=(3, 4), base_channels=2).double()
    x = torch.randn(2, 1, 50, dtype=torch.float64)
    logits, maps = critic(x)
    for period, scores, layers, part in zip((3, 4), logits, maps, critic.critics, strict=True):
        short = -50 % period
        wave = torch.cat([x, x[..., 48 - short + 1 : 49].flip(2)], 2)  # reflected at its end
        columns = []
        for c in range(period):
            h = wave[:, :, c::period]
            for layer, stride in zip(part.layers, (3, 3, 3, 3, 1), strict=True):
                weight, bias = weight_and_bias(layer)
                h = F.conv1d(h, weight[..., 0], bias, stride, 2)
                h = torch.where(h > 0, h, 0.1 * h)
            columns.append(F.conv1d(h, part.last.weight[..., 0], part.last.bias, 1, 1))
        expected = torch.stack(columns, 3)
        torch.testing.assert_close(layers[-1], expected)
        torch.testing.assert_close(scores, expected.flatten(1))


def test_each_scale_reads_the_pooled_waveform() -> None:
    torch.manual_seed(0)
    critic = MultiScaleCritic(scales=3, base_channels=16, norm="none").double()
    x = torch.randn(2, 1, 300, dtype=torch.float64)
    logits, maps = critic(x)
    kernels, strides = (15, 41, 41, 41, 41, 41, 5), (1, 2, 2, 4, 4, 1, 1)
    groups = (1, 4, 16, 16, 16, 16, 1)
    for scores, layers, part in zip(logits, maps, critic.critics, strict=True):
        h = x
        found = []
        for layer, k, s, g in zip(part.layers, kernels, strides, groups, strict=True):
            weight, bias = weight_and_bias(layer)
            assert weight.shape[2] == k
            h = F.leaky_relu(F.conv1d(h, weight, bias, s, k // 2, groups=g), 0.1)
            found.append(h)
        found.append(F.conv1d(h, part.last.weight, part.last.bias, 1, 1))
        torch.testing.assert_close(layers, found)
        torch.testing.assert_close(scores, found[-1][:, 0])
        padded = F.pad(x, (2, 2))
        x = torch.stack([padded[..., k : padded.shape[2] - 3 + k : 2] for k in range(4)]).mean(0)


def test_the_first_scale_has_spectral_norm_and_the_others_weight_norm() -> None:
    first, second = MultiScaleCritic(scales=2, base_channels=16).critics
    assert "parametrizations.weight.original" in dict(first.last.named_parameters())
    assert "parametrizations.weight.original0" in dict(second.last.named_parameters())


def test_spectrograms_are_windowed_fourier_sums() -> None:
    part = SpectrogramBandCritic(fft_sizes=(16,), edges=(0, 0.5, 1), base_channels=2).critics[0]
    x = torch.randn(2, 1, 42, dtype=torch.float64)
    found = part.double().spectrogram(x)
    hop, frames = 4, 11
    assert found.shape == (2, 2, frames, 9)
    # Frame t is centred on the middle of hop t; outside, the waveform is reflected.
    wave = F.pad(x, (6, 6 + 2), "reflect")[:, 0]
    time = torch.arange(16, dtype=torch.float64)
    window = torch.sin(torch.pi * time / 16) ** 2
    for t in range(frames):
        piece = wave[:, t * hop : t * hop + 16] * window
        for k in range(9):
            angle = -2 * torch.pi * k * time / 16
            by_hand = torch.stack([(piece * angle.cos()).sum(1), (piece * angle.sin()).sum(1)], 1)
            torch.testing.assert_close(found[:, :, t, k], by_hand, atol=1e-6, rtol=0)


def test_the_spectrogram_critic_does_not_hear_volume_and_offset() -> None:
    critic = SpectrogramBandCritic(fft_sizes=(32,), base_channels=2).double()
    x = torch.randn(2, 1, 100, dtype=torch.float64)
    torch.testing.assert_close(critic(3 * x + 0.5)[0], critic(x)[0], rtol=1e-6, atol=1e-8)


def test_bands_have_layers_of_their_own() -> None:
    torch.manual_seed(0)
    critic = SpectrogramBandCritic(fft_sizes=(32,), edges=(0, 0.5, 1), base_channels=2).double()
    x = torch.randn(1, 1, 64, dtype=torch.float64)
    _, (maps,) = critic(x)
    part = critic.critics[0]
    y = x - x.mean()
    picture = part.spectrogram(0.8 * y / y.abs().max())
    for low, high, layers, stack in (
        (0, 8, maps[:5], part.stacks[0]),
        (8, 17, maps[5:], part.stacks[1]),
    ):
        h = picture[..., low:high]
        for layer, stride, kernel, found in zip(
            stack, (1, 2, 2, 2, 1), (9, 9, 9, 9, 3), layers, strict=True
        ):
            h = F.leaky_relu(
                F.conv2d(h, layer.weight, layer.bias, (1, stride), (1, kernel // 2)), 0.1
            )
            torch.testing.assert_close(found, h)


@pytest.mark.parametrize("critic", CRITICS, ids=lambda c: str(c.config()))
def test_recipes_rebuild_and_every_parameter_gets_a_gradient(critic: Any) -> None:
    twin = build(critic.config())
    twin.load_state_dict(critic.state_dict())
    x = torch.randn(2, getattr(critic, "channels", 1), 256)
    assert all(
        torch.equal(a, b) for a, b in zip(critic.eval()(x)[0], twin.eval()(x)[0], strict=True)
    )
    critic.train().zero_grad()
    sum(scores.square().mean() for scores in critic(x)[0]).backward()
    assert all(p.grad is not None and p.grad.any() for p in critic.parameters())


@pytest.mark.parametrize("critic", CRITICS, ids=lambda c: str(c.config()))
def test_samples_are_scored_alone_and_penalties_can_be_differentiated(critic: Any) -> None:
    x = torch.randn(3, getattr(critic, "channels", 1), 256).requires_grad_()
    critic.eval()
    for a, b in zip(critic(x)[0], critic(x[:1])[0], strict=True):
        torch.testing.assert_close(a[:1], b)
    total = sum(scores.sum() for scores in critic(x)[0])
    (gradient,) = torch.autograd.grad(total, x, create_graph=True)
    gradient.square().sum().backward()
    assert any(p.grad is not None and p.grad.any() for p in critic.parameters())


@pytest.mark.parametrize(
    ("make", "line"),
    [
        (lambda: MultiPeriodCritic(norm="batch"), r"^norm: expected one of weight, spectral, none"),
        (lambda: MultiPeriodCritic(periods=(0,)), r"^periods: expected ints of at least 1"),
        (lambda: MultiScaleCritic(base_channels=8), r"^base_channels: expected a multiple of 16"),
        (lambda: SpectrogramBandCritic(edges=(0, 0.5)), r"^edges: expected numbers that grow"),
        (lambda: SpectrogramBandCritic(fft_sizes=(8,)), r"^fft_sizes: expected multiples of 4"),
        (
            lambda: MultiScaleCritic(base_channels=16)(torch.zeros(2, 8)),
            r"^x: expected waveforms \(N, 1, T\)",
        ),
        (
            lambda: SpectrogramBandCritic((64,), base_channels=2)(torch.zeros(2, 1, 32)),
            r"^x: expected waveforms \(N, 1, T\) of at least 64 samples, got \(2, 1, 32\)",
        ),
    ],
)
def test_bad_sizes_are_one_line(make: Any, line: str) -> None:
    with pytest.raises(ValueError, match=line):
        make()
