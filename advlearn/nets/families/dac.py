"""DAC: a critic of complex spectrograms at several resolutions, split into frequency bands."""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import cast, final

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from advlearn.core.arguments import Count
from advlearn.nets.blocks.normed import CriticMaps, WeightNorm, activations, check_norm, normed
from advlearn.nets.network import Network, positive, sizes

SLOPE = 0.1
"""Slope of the leaky ReLU."""

LAYERS = (((3, 9), 1), ((3, 9), 2), ((3, 9), 2), ((3, 9), 2), ((3, 3), 1))
"""Kernel (time, frequency) and stride along the frequency of the layers of one band."""


@final
class SpectrogramBandCritic(Network):
    """Score the complex spectrograms of a waveform, each frequency band by its own layers.

    The waveform's mean is removed and its peak scaled to 0.8. At each resolution the real and the
    imaginary part of the short-time Fourier transform are two channels of an image (time,
    frequency), which is cut at the edges of the bands; the last layer reads the joined bands.

    Args:
        fft_sizes: Window lengths, in samples; the hop is a quarter of them.
        edges: Edges of the bands as shares of all frequencies, from 0 to 1.
        base_channels: Channels of every layer.
        norm: ``"weight"``, ``"spectral"`` or ``"none"``: norm of the weights of each layer.

    Raises:
        ValueError: If a size is below its least value, `edges` do not grow from 0 to 1, a band has
            no frequency, or `norm` is unknown; in `forward`, if the waveforms have another shape or
            are too short.

    Example:
        >>> critic = SpectrogramBandCritic(fft_sizes=(64, 32), base_channels=2)
        >>> logits, maps = critic(torch.randn(3, 1, 256))
        >>> [tuple(scores.shape) for scores in logits], [len(layers) for layers in maps]
        ([(3, 1, 16, 6), (3, 1, 32, 5)], [25, 25])

    Reference: Kumar et al., "High-Fidelity Audio Compression with Improved RVQGAN", 2023, section
    3.4 (the complex multi-scale spectrogram discriminator with bands); the published code for
    widths and kernels.

    Deviations: one channel of sound, as published; the maps do not contain the logits, which the
    paper's feature loss leaves out too.
    """

    def __init__(
        self,
        fft_sizes: Sequence[int] = (2048, 1024, 512),
        edges: Sequence[float] = (0.0, 0.1, 0.25, 0.5, 0.75, 1.0),
        base_channels: Count = 32,
        norm: WeightNorm = "weight",
    ) -> None:
        super().__init__()
        positive(base_channels=base_channels)
        check_norm(norm)
        self.fft_sizes = sizes("fft_sizes", fft_sizes)
        self.edges = tuple(float(edge) for edge in edges)
        self.base_channels = base_channels
        self.norm: WeightNorm = norm
        grow = all(a < b for a, b in pairwise(self.edges))
        if len(self.edges) < 2 or not grow or (self.edges[0], self.edges[-1]) != (0.0, 1.0):
            raise ValueError(f"edges: expected numbers that grow from 0 to 1, got {edges!r}")
        self.critics = nn.ModuleList(
            _Resolution(size, self.edges, base_channels, norm) for size in self.fft_sizes
        )

    def forward(self, x: Tensor) -> CriticMaps:
        """Score waveforms (N, 1, T).

        Returns:
            The logits of each resolution, (N, 1, frames, frequencies), and for each resolution the
            maps of the layers of all its bands.
        """
        least = max(self.fft_sizes)
        if x.ndim != 3 or x.shape[1] != 1 or x.shape[2] < least:
            raise ValueError(
                f"x: expected waveforms (N, 1, T) of at least {least} samples, got {tuple(x.shape)}"
            )
        x = x - x.mean(2, keepdim=True)
        x = 0.8 * x / (x.abs().amax(2, keepdim=True) + 1e-9)
        scored = [critic(x) for critic in self.critics]
        return [logits for logits, _ in scored], [maps for _, maps in scored]


@final
class _Resolution(nn.Module):
    """Score the spectrogram of one window length."""

    window: Tensor

    def __init__(self, size: int, edges: tuple[float, ...], width: int, norm: WeightNorm) -> None:
        super().__init__()
        self.size = size
        bins = [int(edge * (size // 2 + 1)) for edge in edges]
        if size % 4 or any(a == b for a, b in pairwise(bins)):
            raise ValueError(
                "fft_sizes: expected multiples of 4 with a frequency in every band, got "
                f"{size}; take a longer window or fewer bands"
            )
        self.bands = list(pairwise(bins))
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        self.stacks = nn.ModuleList(
            nn.ModuleList(
                normed(
                    nn.Conv2d(width if k else 2, width, kernel, (1, stride), (1, kernel[1] // 2)),
                    norm,
                )
                for k, (kernel, stride) in enumerate(LAYERS)
            )
            for _ in self.bands
        )
        self.last = normed(nn.Conv2d(width, 1, 3, 1, 1), norm)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Score waveforms (N, 1, T): logits (N, 1, frames, K) and the maps of all bands."""
        picture, ends, maps = self.spectrogram(x), list[Tensor](), list[Tensor]()
        for (low, high), stack in zip(self.bands, self.stacks, strict=True):
            layers = activations(cast(nn.ModuleList, stack), picture[..., low:high], SLOPE)
            ends.append(layers[-1])
            maps += layers
        return self.last(torch.cat(ends, 3)), maps

    def spectrogram(self, x: Tensor) -> Tensor:
        """Compute spectrograms (N, 2, frames, frequencies), a frame for each hop of (N, 1, T)."""
        hop = self.size // 4
        side, short = (self.size - hop) // 2, math.ceil(x.shape[2] / hop) * hop - x.shape[2]
        # Fourier transforms and complex numbers exist in full precision only.
        with torch.autocast(x.device.type, enabled=False):
            wave = x if x.dtype in (torch.float32, torch.float64) else x.float()
            wave = pad(wave, (side, side + short), "reflect").squeeze(1)
            window = self.window.to(wave.dtype)
            found = torch.stft(wave, self.size, hop, window=window, return_complex=True)
        # The two frames at either end lie on the padding.
        return torch.view_as_real(found[..., 2:-2]).permute(0, 3, 2, 1).to(x.dtype)
