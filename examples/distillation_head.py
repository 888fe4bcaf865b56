"""Distil a denoiser into a generator of one step, with critics on features of the denoiser.

The teacher learns to remove noise from digits. The student maps noise to a digit in one step. The
critic has one head for each of two layers of the teacher, whose features `attach` captures, and
gradients flow through the frozen teacher to the student.

python examples/distillation_head.py [--steps 600]
"""

import argparse
import copy

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advlearn
from advlearn.data import load
from advlearn.metrics import frechet_distance

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=600)
options = parser.parse_args()


class Heads(nn.Module):
    """Score the features of each layer: a list of logits."""

    def __init__(self, layers: int = 2, width: int = 256) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(width, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
            for _ in range(layers)
        )

    def forward(self, *features: Tensor) -> list[Tensor]:
        return [head(h) for head, h in zip(self.heads, features, strict=True)]


def noised(x: Tensor) -> Tensor:
    """Return the images with noise of a random level, and the level as one more column."""
    level = torch.rand(len(x), 1)
    return torch.cat([(1 - level) * x + level * torch.randn_like(x), level], 1)


torch.manual_seed(0)
digits = load("digits").x.flatten(1)
teacher = nn.Sequential(
    nn.Linear(65, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, 64)
)
optimizer = torch.optim.Adam(teacher.parameters(), lr=1e-3)
for _ in range(2 * options.steps):
    x = digits[torch.randint(len(digits), (128,))]
    optimizer.zero_grad()
    F.mse_loss(teacher(noised(x)), x).backward()
    optimizer.step()

student = copy.deepcopy(teacher)
teacher.requires_grad_(False)
captures = advlearn.attach(teacher, ["1", "3"])
adversary = advlearn.Adversary(Heads(), "hinge + r1(weight=0.1)", lr=5e-4)
optimizer = torch.optim.Adam(student.parameters(), lr=2e-4, betas=(0.5, 0.99))


def features(x: Tensor) -> tuple[Tensor, ...]:
    """Return the teacher's features of the images, noised again."""
    teacher(noised(x))
    return captures.outputs


def sample(n: int) -> Tensor:
    """Return n digits of the student, from noise of level 1."""
    return student(torch.cat([torch.randn(n, 64), torch.ones(n, 1)], 1))


before = frechet_distance(digits, sample(2000).detach())
for _ in range(options.steps):
    real, fake = features(digits[torch.randint(len(digits), (128,))]), features(sample(128))
    adversary.update(real, fake)
    optimizer.zero_grad()
    adversary.player_loss(real, fake).backward()
    optimizer.step()

distance = frechet_distance(digits, sample(2000).detach())
print(f"Frechet distance of pixels {before:.1f} -> {distance:.1f}; {adversary.health()}")
