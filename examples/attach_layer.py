"""Attach an adversary with gradient reversal to an inner layer of your model.

The classifier is trained on labelled data of one domain, and its features are aligned with those of
a second domain without labels. The code of the model does not change, and the hook is removed at
the end of the `with` block.

python examples/attach_layer.py [--steps 500]
"""

import argparse
import math

import torch
from torch import nn

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=500)
options = parser.parse_args()

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 2))
adversary = advlearn.Adversary(
    nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 1)), "gan", lr=1e-3
)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)


def draw(n: int, angle: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return n points (n, 2) of two half moons, rotated by an angle, and their classes."""
    y = torch.arange(n) % 2
    t = math.pi * torch.rand(n)
    x = torch.stack([torch.cos(t) + y - 0.5, (1 - 2 * y) * torch.sin(t) + 0.25 - 0.5 * y], 1)
    c, s = math.cos(angle), math.sin(angle)
    return (x + 0.1 * torch.randn(n, 2)) @ torch.tensor([[c, s], [-s, c]]), y


with advlearn.attach(model, "3") as features:
    for step in range(options.steps):
        (source, y), (target, _) = draw(128, 0.0), draw(128, 0.6)
        logits = model(torch.cat([source, target]))
        h_source, h_target = features.output.chunk(2)
        adversarial_weight = advlearn.dann_schedule(step / options.steps)
        loss = nn.functional.cross_entropy(logits[:128], y)
        loss = loss + adversary.reversed_loss(
            h_source, h_target, adversarial_weight=adversarial_weight
        )
        optimizer.zero_grad()
        loss.backward()  # gradients of the critic, and reversed gradients of the features
        optimizer.step()
        adversary.step()

x, y = draw(1000, 0.6)
print(f"target accuracy {(model(x).argmax(1) == y).float().mean():.3f}; {adversary.health()}")
