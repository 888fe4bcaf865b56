"""Attach an adversary to your own training loop with two methods, `update` and `player_loss`.

A small network is trained on a regression, and an adversary keeps its features independent of a
binary group.

python examples/own_loop.py [--steps 500] [--adversarial-weight 1.0]
"""

import argparse

import torch
from torch import nn

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=500)
parser.add_argument("--adversarial-weight", type=float, default=1.0)
options = parser.parse_args()

torch.manual_seed(0)
encoder = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 8))
head = nn.Linear(8, 1)
adversary = advlearn.Adversary(
    nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 1)), "nsgan + r1"
)
optimizer = torch.optim.Adam([*encoder.parameters(), *head.parameters()], lr=1e-3)

for _ in range(options.steps):
    x = torch.randn(128, 4)
    group = x[:, 0] > 0  # the features must not depend on it
    y = x[:, 1:2] + 0.1 * torch.randn(128, 1)
    features = encoder(x)
    n = min(int(group.sum()), int((~group).sum()))
    positive, negative = features[group][:n], features[~group][:n]
    adversary.update(
        real=positive, fake=negative
    )  # a critic step; the features are detached inside
    task_loss = nn.functional.mse_loss(head(features), y)
    # The gradient of the adversarial loss reaches the features of both groups.
    adversarial_loss = adversary.player_loss(real=positive, fake=negative)
    loss = task_loss + options.adversarial_weight * adversarial_loss
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

print(f"task loss {task_loss:.3f}; {adversary.health()}")
