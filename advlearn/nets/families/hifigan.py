"""HiFi-GAN: critics of a waveform, one per period and one per scale."""

from collections.abc import Sequence
from typing import final

from torch import Tensor, nn
from torch.nn.functional import avg_pool1d, pad

from advlearn.core.arguments import Count
from advlearn.nets.blocks.normed import CriticMaps, WeightNorm, activations, check_norm, normed
from advlearn.nets.network import Network, positive, sizes

SLOPE = 0.1
"""Slope of the leaky ReLU."""

PERIOD_WIDTHS, PERIOD_STRIDES = (1, 4, 16, 32, 32), (3, 3, 3, 3, 1)
SCALE_WIDTHS = (1, 1, 2, 4, 8, 8, 8)
SCALE_LAYERS = (
    (15, 1, 1),
    (41, 2, 4),
    (41, 2, 16),
    (41, 4, 16),
    (41, 4, 16),
    (41, 1, 16),
    (5, 1, 1),
)
"""Kernel, stride and groups of the layers of one scale."""


@final
class MultiPeriodCritic(Network):
    """Score a waveform by several critics, each of which reads samples at one period.

    A critic of period p folds the waveform to a plane (T / p, p) and convolves along its first
    dimension only, so that the p columns are scored with the same weights.

    Args:
        channels: Channels of the waveform.
        periods: Periods, in samples.
        base_channels: Channels of the first layer; the widest has 32 times as many.
        norm: ``"weight"``, ``"spectral"`` or ``"none"``: norm of the weights of each layer.

    Raises:
        ValueError: If a size is below its least value or `norm` is unknown; in `forward`, if the
            waveforms have another shape or are shorter than a period.

    Example:
        >>> import torch
        >>> logits, maps = MultiPeriodCritic(periods=(2, 3), base_channels=2)(torch.zeros(4, 1, 99))
        >>> [tuple(scores.shape) for scores in logits], [len(layers) for layers in maps]
        ([(4, 2), (4, 3)], [6, 6])

    Reference: Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High
    Fidelity Speech Synthesis", 2020, section 2.3; the published code for widths and kernels.

    Deviations: a width for small networks and several channels; nothing else. The default has
    41,105,770 parameters with the gains of weight normalisation, the published 41.1 million.
    """

    def __init__(
        self,
        channels: Count = 1,
        periods: Sequence[int] = (2, 3, 5, 7, 11),
        base_channels: Count = 32,
        norm: WeightNorm = "weight",
    ) -> None:
        super().__init__()
        positive(channels=channels, base_channels=base_channels)
        check_norm(norm)
        self.channels = channels
        self.periods = sizes("periods", periods)
        self.base_channels = base_channels
        self.norm: WeightNorm = norm
        self.critics = nn.ModuleList(
            _Period(channels, period, base_channels, norm) for period in self.periods
        )

    def forward(self, x: Tensor) -> CriticMaps:
        """Score waveforms (N, channels, T).

        Returns:
            The logits of each period, (N, columns * rows), and for each period the maps of all its
            layers, the logits' last.
        """
        _check_waveform(x, self.channels, max(self.periods))
        scored = [critic(x) for critic in self.critics]
        return [logits for logits, _ in scored], [maps for _, maps in scored]


@final
class _Period(nn.Module):
    """Score a waveform that is folded at one period."""

    def __init__(self, channels: Count, period: int, width: int, norm: WeightNorm) -> None:
        super().__init__()
        self.period = period
        widths = [channels, *(width * times for times in PERIOD_WIDTHS)]
        self.layers = nn.ModuleList(
            normed(nn.Conv2d(before, after, (5, 1), (stride, 1), (2, 0)), norm)
            for before, after, stride in zip(widths, widths[1:], PERIOD_STRIDES, strict=False)
        )
        self.last = normed(nn.Conv2d(widths[-1], 1, (3, 1), 1, (1, 0)), norm)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score waveforms (N, C, T): logits (N, K) and the maps of all layers."""
        short = -x.shape[2] % self.period
        plane = pad(x, (0, short), "reflect").unflatten(2, (-1, self.period))
        maps = activations(self.layers, plane, SLOPE)
        logits = self.last(maps[-1])
        return logits.flatten(1), [*maps, logits]


@final
class MultiScaleCritic(Network):
    """Score a waveform by several critics, each of which reads it at half the rate of the last.

    Args:
        channels: Channels of the waveform.
        scales: Number of critics; the k-th reads the waveform after k mean poolings by 2.
        base_channels: Channels of the first layer, a multiple of 16; the widest has 8 times as
            many.
        norm: Norm of the weights: ``"weight"`` (with ``"spectral"`` at the first scale, as
            published), ``"spectral"`` or ``"none"`` everywhere.

    Raises:
        ValueError: If a size is below its least value, `base_channels` is not a multiple of 16, or
            `norm` is unknown; in `forward`, if the waveforms have another shape.

    Example:
        >>> import torch
        >>> logits, maps = MultiScaleCritic(base_channels=16)(torch.zeros(4, 1, 256))
        >>> [tuple(scores.shape) for scores in logits], [len(layers) for layers in maps]
        ([(4, 4), (4, 3), (4, 2)], [8, 8, 8])

    Reference: Kong et al., "HiFi-GAN: Generative Adversarial Networks for Efficient and High
    Fidelity Speech Synthesis", 2020, section 2.3, after MelGAN (Kumar et al. 2019); the published
    code for widths and kernels.

    Deviations: a width for small networks and several channels; nothing else. The default has
    29,618,821 parameters with the gains of weight normalisation.
    """

    def __init__(
        self,
        channels: Count = 1,
        scales: Count = 3,
        base_channels: Count = 128,
        norm: WeightNorm = "weight",
    ) -> None:
        super().__init__()
        positive(channels=channels, scales=scales, base_channels=base_channels)
        check_norm(norm)
        if base_channels % 16:
            raise ValueError(
                "base_channels: expected a multiple of 16, the groups of a layer, "
                f"got {base_channels}"
            )
        self.channels = channels
        self.scales = scales
        self.base_channels = base_channels
        self.norm: WeightNorm = norm
        norms: list[WeightNorm] = [norm] * scales
        if norm == "weight":
            norms[0] = "spectral"
        self.critics = nn.ModuleList(_Scale(channels, base_channels, each) for each in norms)

    def forward(self, x: Tensor) -> CriticMaps:
        """Score waveforms (N, channels, T).

        Returns:
            The logits of each scale, (N, steps), and for each scale the maps of all its layers, the
            logits' last.
        """
        _check_waveform(x, self.channels, 1)
        scored: list[tuple[Tensor, list[Tensor]]] = []
        for k, critic in enumerate(self.critics):
            x = avg_pool1d(x, 4, 2, 2) if k else x
            scored.append(critic(x))
        return [logits for logits, _ in scored], [maps for _, maps in scored]


@final
class _Scale(nn.Module):
    """Score a waveform at one rate."""

    def __init__(self, channels: Count, width: int, norm: WeightNorm) -> None:
        super().__init__()
        widths = [channels, *(width * times for times in SCALE_WIDTHS)]
        self.layers = nn.ModuleList(
            normed(nn.Conv1d(before, after, kernel, stride, kernel // 2, groups=groups), norm)
            for before, after, (kernel, stride, groups) in zip(
                widths, widths[1:], SCALE_LAYERS, strict=False
            )
        )
        self.last = normed(nn.Conv1d(widths[-1], 1, 3, 1, 1), norm)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score waveforms (N, C, T): logits (N, steps) and the maps of all layers."""
        maps = activations(self.layers, x, SLOPE)
        logits = self.last(maps[-1])
        return logits.flatten(1), [*maps, logits]


def _check_waveform(x: Tensor, channels: int, least: int) -> None:
    if x.ndim != 3 or x.shape[1] != channels or x.shape[2] < least:
        raise ValueError(
            f"x: expected waveforms (N, {channels}, T) of at least {least} samples, "
            f"got {tuple(x.shape)}"
        )
