"""Measure what an adversary adds to a small codec of made waves, in the spectra of held-out waves.

A row is one training run of one seed. Each batch has new waves: one to three sines and one chirp,
each with a random amplitude and a decay, LENGTH samples of RATE a second. The codec has a
convolutional encoder to one frame of CHANNELS numbers per 32 samples, rounds each number to one of
LEVELS levels, and has a convolutional decoder: CHANNELS * log2(LEVELS) bits per frame.

- `without`: the task loss only, 10 times the mean absolute error of the wave plus
  `spectral_distance` at the windows SIZES.
- `with number`, `with balanced`: the same plus an adversary from step START on: hinge loss, one
  critic for each period of PERIODS samples (period 1 reads the wave as it is), and the feature
  matching of HiFi-GAN, the mean absolute difference of all feature maps. The adversarial weight is
  WEIGHT, or follows the gradient norms at the codec's output.

All rows of a seed have the same first weights of the codec, the same waves and number of steps.
Figures are of the same 256 held-out waves: `spectral` is `spectral_distance` at the windows of the
loss, `other windows` at OTHER, `log` its logarithmic part only, and `l1` the mean absolute error.
`spectral, over without` is the ratio to the row without adversary. No bar is required: nothing
makes an adversary lower the distance that the codec is trained on, so the ratio is reported
whichever way it goes. No setting was tuned.

"balanced" ruins this codec. It divides by the norm of the adversarial gradient averaged over all
steps since the start, and that norm grows fast in a new critic: in a run on seed 0 the weight was
4,370 at first and 100 after 160 steps, and the weighted gradient one to four times the task's.
"""

import time
from functools import partial
from typing import Any

import torch
from harness import Result, Row, arguments, compute, one_thread
from torch import Tensor, nn
from torch.nn.functional import l1_loss

from advlearn import Adversary
from advlearn.nets import MultiPeriodCritic
from advlearn.training.rng import isolated

SEEDS = (0, 1, 2)
WEIGHT = 0.1
WAYS: dict[str, Any] = {"without": None, "with number": WEIGHT, "with balanced": "balanced"}
STEPS, START, BATCH, LR, HELD = 1000, 300, 8, 1e-3, 256
LENGTH, RATE, PARTS = 1024, 8000, 4
CHANNELS, LEVELS, WIDTH = 4, 5, 16
SIZES, OTHER, PERIODS = (64, 128, 256), (96, 192, 384), (1, 2, 3, 5)
SPEC = 'hinge + feature_matching(weight=2, layers="all", paired=True)'
FIGURES = ("spectral", "other windows", "log", "l1")
COLUMNS = ["way", "seed", *FIGURES, "spectral, over without", "cpu_seconds", "health"]


def waves(n: int, generator: torch.Generator) -> Tensor:
    """Return n waves of sines and one chirp each, (n, 1, LENGTH), with a peak of 0.8."""

    def drawn(low: float, high: float, parts: int = PARTS) -> Tensor:
        return low + (high - low) * torch.rand(n, parts, 1, generator=generator)

    times = torch.arange(LENGTH) / RATE
    frequency = drawn(4.6, 8.0).exp()  # from 100 to 3,000 Hz
    slope = torch.zeros(n, PARTS, 1)
    slope[:, -1:] = drawn(-1, 1, 1) * frequency[:, -1:] * RATE / LENGTH
    phase = 2 * torch.pi * (frequency * times + slope * times.square() / 2 + drawn(0, 1))
    amplitude = drawn(0, 1) * torch.exp(-drawn(0, 20) * times)
    sounds = torch.ones(n, PARTS, 1)
    sounds[:, 1:-1] = (drawn(0, 1, PARTS - 2) < 0.5).float()
    sums = (sounds * amplitude * phase.sin()).sum(1, keepdim=True)
    return 0.8 * sums / sums.abs().amax(2, keepdim=True).clamp(min=1e-3)


def magnitudes(x: Tensor, size: int) -> Tensor:
    """Return the magnitudes of the short-time Fourier transform of waves (N, 1, T)."""
    window = torch.hann_window(size, device=x.device)
    found = torch.stft(x.squeeze(1), size, size // 4, window=window, return_complex=True)
    # The root has no gradient at zero.
    return torch.view_as_real(found).square().sum(-1).add(1e-7).sqrt()


def distances(truth: Tensor, wave: Tensor, sizes: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Return the spectral convergence and the mean error of log magnitudes, over the windows."""
    both = [(magnitudes(truth, size), magnitudes(wave, size)) for size in sizes]
    convergence = [(a - b).norm() / a.norm() for a, b in both]
    logarithmic = [(a.log() - b.log()).abs().mean() for a, b in both]
    return torch.stack(convergence).mean(), torch.stack(logarithmic).mean()


def spectral_distance(truth: Tensor, wave: Tensor, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """Return the multi-resolution spectral distance of Parallel WaveGAN (Yamamoto et al. 2020)."""
    return torch.stack(distances(truth, wave, sizes)).sum()


class Codec(nn.Module):
    """Code a wave in frames of a few rounded numbers."""

    def __init__(self) -> None:
        super().__init__()
        narrow, middle, wide = WIDTH, 2 * WIDTH, 4 * WIDTH
        self.encoder = nn.Sequential(
            *(nn.Conv1d(1, narrow, 7, 1, 3), nn.ELU(), nn.Conv1d(narrow, middle, 8, 4, 2)),
            *(nn.ELU(), nn.Conv1d(middle, wide, 8, 4, 2), nn.ELU()),
            *(nn.Conv1d(wide, wide, 4, 2, 1), nn.ELU(), nn.Conv1d(wide, CHANNELS, 3, 1, 1)),
        )
        self.decoder = nn.Sequential(
            *(
                nn.Conv1d(CHANNELS, wide, 7, 1, 3),
                nn.ELU(),
                nn.ConvTranspose1d(wide, wide, 4, 2, 1),
            ),
            *(nn.ELU(), nn.ConvTranspose1d(wide, middle, 8, 4, 2), nn.ELU()),
            *(nn.ConvTranspose1d(middle, narrow, 8, 4, 2), nn.ELU()),
            nn.Conv1d(narrow, 1, 7, 1, 3),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return the decoded waves (N, 1, T)."""
        code = LEVELS // 2 * self.encoder(x).tanh()
        # The gradient passes the rounding unchanged.
        return self.decoder(code + (code.round() - code).detach())


def train(way: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row: train, and measure the decoded held-out waves."""
    steps, start = (3, 1) if quick else (STEPS, START)
    began, weight, adversary = time.process_time(), WAYS[way], None
    with isolated(seed):
        codec, generator = Codec().to(device), torch.Generator().manual_seed(seed)
        if weight is not None:
            critic = MultiPeriodCritic(periods=PERIODS, base_channels=2).to(device)
            adversary = Adversary(critic, SPEC, lr=1e-3, adversarial_weight=weight, start=start)
        optimizer = torch.optim.Adam(codec.parameters(), LR, betas=(0.5, 0.9))
        for _ in range(steps):
            x = waves(BATCH, generator).to(device)
            y = codec(x)
            loss = 10 * l1_loss(y, x) + spectral_distance(x, y)
            if adversary is not None:
                adversary.update(x, y)
                loss = loss + adversary.player_loss(x, y, task_loss=loss)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    spent = round(time.process_time() - began, 1)
    row = {"way": way, "seed": seed, "device": device, "steps": steps}
    row |= figures(codec.cpu(), 8 if quick else HELD)
    row |= {"cpu_seconds": spent, "health": ""}
    return row if adversary is None else {**row, "health": adversary.health().verdict}


@torch.no_grad()
def figures(codec: Codec, n: int) -> Row:
    """Compare decoded held-out waves with these waves."""
    held = waves(n, torch.Generator().manual_seed(10**6))
    decoded = codec(held)
    values = (
        spectral_distance(held, decoded),
        spectral_distance(held, decoded, OTHER),
        distances(held, decoded, SIZES)[1],
        l1_loss(decoded, held),
    )
    return dict(zip(FIGURES, map(float, values), strict=True))


def compared(rows: list[Row]) -> list[Row]:
    """Return the rows with the ratio of their spectral distance to that without adversary."""
    plain = {r["seed"]: r["spectral"] for r in rows if r["way"] == "without"}
    return [
        {**r, "spectral, over without": r["spectral"] / plain.get(r["seed"], torch.nan)}
        for r in rows
    ]


def main() -> None:
    """Train and measure the missing rows."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("codec", quick=options.quick)
    seeds = SEEDS[:1] if options.quick else SEEDS
    todo: list[Row] = [
        {"way": way, "seed": seed, "device": options.device} for seed in seeds for way in WAYS
    ]
    compute(
        result, partial(train, quick=options.quick), [] if options.report else todo, options.jobs
    )
    result.rows = compared(result.rows)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
