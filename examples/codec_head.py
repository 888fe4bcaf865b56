"""Train a codec of waveforms with the critics of HiFi-GAN and feature matching.

The critics fold the waveform at several periods and return logits and feature maps, one list for
each period. The weight of the adversarial loss is balanced: it follows the gradients of both losses
at the waveform. The waveforms are sums of sines and chirps.

python examples/codec_head.py [--steps 300]
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
options = parser.parse_args()


class PeriodCritics(nn.Module):
    """Fold the waveform (N, 1, T) to (N, 1, T / p, p) and score it, for each period p."""

    def __init__(self, periods: tuple[int, ...] = (2, 3, 5), width: int = 8) -> None:
        super().__init__()
        self.periods = periods
        self.critics = nn.ModuleList(
            nn.ModuleList([
                nn.Conv2d(1, width, (5, 1), (3, 1), (2, 0)),
                nn.Conv2d(width, 2 * width, (5, 1), (3, 1), (2, 0)),
                nn.Conv2d(2 * width, 1, (3, 1), 1, (1, 0)),
            ])
            for _ in periods
        )  # fmt: skip

    def forward(self, x: Tensor) -> tuple[list[Tensor], list[list[Tensor]]]:
        logits, maps = [], []
        for period, (first, second, last) in zip(self.periods, self.critics, strict=True):
            folded = F.pad(x, (0, -x.shape[-1] % period)).unflatten(-1, (-1, period))
            low = F.leaky_relu(first(folded), 0.1)
            high = F.leaky_relu(second(low), 0.1)
            logits.append(last(high))
            maps.append([low, high])
        return logits, maps


def waveforms(n: int, length: int = 512) -> Tensor:
    """Return n sums of two sines and a chirp: (n, 1, length)."""
    t = torch.linspace(0, 1, length)
    frequency, phase = 4 + 36 * torch.rand(3, n, 1), 6.28 * torch.rand(3, n, 1)
    chirp = torch.sin(6.28 * frequency[2] * t * (1 + t) + phase[2])
    sines = torch.sin(6.28 * frequency[:2] * t + phase[:2]).sum(0)
    return ((sines + chirp) / 3)[:, None]


torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv1d(1, 16, 8, 4, 2), nn.ELU(), nn.Conv1d(16, 32, 8, 4, 2), nn.ELU(), nn.Conv1d(32, 4, 1),
    nn.Conv1d(4, 32, 1), nn.ELU(), nn.ConvTranspose1d(32, 16, 8, 4, 2), nn.ELU(),
    nn.ConvTranspose1d(16, 1, 8, 4, 2),
)  # fmt: skip
adversary = advlearn.Adversary(
    PeriodCritics(),
    "lsgan + feature_matching(weight=2, layers='all', paired=True)",
    lr=1e-3,
    adversarial_weight="balanced",
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for _ in range(options.steps):
    real = waveforms(16)
    fake = model(real)
    adversary.update(real, fake, clip=10.0)
    task_loss = F.l1_loss(fake, real)
    loss = task_loss + adversary.player_loss(real, fake, task_loss=task_loss)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

real = waveforms(64)
error = F.mse_loss(model(real), real) / real.square().mean()
print(f"error {error:.3f} of the signal's power; {adversary.health()}")
