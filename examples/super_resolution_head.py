"""Upscale digits four times with an L1 loss and a U-Net critic that scores every pixel.

The critic sees the low-resolution image as a condition, so that it judges whether the two belong
together; a penalty holds the condition fixed.

python examples/super_resolution_head.py [--steps 200]
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advlearn
from advlearn.data import load, small

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200)
options = parser.parse_args()


class UNetCritic(nn.Module):
    """Return a logit for every pixel, (N, 1, H, W), from an image and its small version."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.first = nn.Conv2d(2, width, 3, 1, 1)
        self.down = nn.Conv2d(width, 2 * width, 4, 2, 1)
        self.middle = nn.Conv2d(2 * width, 2 * width, 4, 2, 1)
        self.up = nn.Conv2d(2 * width, 2 * width, 3, 1, 1)
        self.last = nn.Conv2d(3 * width, 1, 3, 1, 1)

    def forward(self, image: Tensor, low: Tensor) -> Tensor:
        x = torch.cat([image, F.interpolate(low, scale_factor=4.0)], 1)
        fine = F.leaky_relu(self.first(x), 0.2)
        half = F.leaky_relu(self.down(fine), 0.2)
        coarse = F.leaky_relu(self.middle(half), 0.2)
        half = half + F.leaky_relu(self.up(F.interpolate(coarse, scale_factor=2.0)), 0.2)
        return self.last(torch.cat([fine, F.interpolate(half, scale_factor=2.0)], 1))


torch.manual_seed(0)
images = load("digits-32").x
lows = small(images)
model = nn.Sequential(
    nn.Conv2d(1, 32, 3, 1, 1), nn.SiLU(), nn.Conv2d(32, 32, 3, 1, 1), nn.SiLU(),
    nn.Conv2d(32, 64, 3, 1, 1), nn.PixelShuffle(2), nn.SiLU(), nn.Conv2d(16, 4, 3, 1, 1),
    nn.PixelShuffle(2),
)  # fmt: skip
adversary = advlearn.Adversary(
    UNetCritic(), "nsgan + r1(weight=0.1)", lr=5e-4, conditions=(1,), adversarial_weight=0.02
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

for _ in range(options.steps):
    rows = torch.randint(len(images) - 64, (16,))
    image, low = images[rows], lows[rows]
    fake = model(low)
    adversary.update((image, low), (fake, low))
    adversarial_loss = adversary.player_loss((image, low), (fake, low))
    loss = F.l1_loss(fake, image) + adversarial_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

with torch.no_grad():
    error = (model(lows[-64:]) - images[-64:]).square().mean()
print(f"{10 * torch.log10(4 / error):.2f} dB on held-out digits; {adversary.health()}")
