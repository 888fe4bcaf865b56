"""Adapt a segmentation model to images without labels by a domain critic of its features.

The critic scores the features at every pixel. The weights are a mask: pixels that the image does
not cover (padding) do not count. One backward pass trains both, by gradient reversal.

python examples/segmentation_domain_head.py [--steps 400]
"""

import argparse

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400)
options = parser.parse_args()


def draw(n: int, offset: float) -> tuple[Tensor, Tensor, Tensor]:
    """Return n noisy images of a disc, the disc's pixels and the valid pixels: (n, 1, 16, 16)."""
    place = torch.arange(16.0)
    distance = [(place - 4 - 8 * torch.rand(n, 1)).square() for _ in range(2)]
    disc = (distance[0][:, :, None] + distance[1][:, None, :] < 9)[:, None]
    # Images have different heights; the rows below are padding.
    valid = (place < 10 + torch.randint(7, (n, 1)))[:, None, :, None].expand_as(disc)
    image = disc.float() + offset + 0.2 * torch.randn(disc.shape)
    return image * valid, (disc & valid).float(), valid.float()


torch.manual_seed(0)
model = nn.Sequential(
    nn.Conv2d(1, 16, 3, 1, 1), nn.ReLU(), nn.Conv2d(16, 16, 3, 1, 1), nn.ReLU(),
    nn.Conv2d(16, 1, 1),
)  # fmt: skip
critic = nn.Sequential(nn.Conv2d(16, 32, 1), nn.ReLU(), nn.Conv2d(32, 1, 1))
adversary = advlearn.Adversary(critic, "gan", lr=1e-3)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)

with advlearn.attach(model, "3") as features:
    for step in range(options.steps):
        (source, truth, source_valid), (target, _, target_valid) = draw(16, 0.0), draw(16, 0.6)
        logits = model(torch.cat([source, target]))
        source_features, target_features = features.output.chunk(2)
        losses = F.binary_cross_entropy_with_logits(logits[:16], truth, reduction="none")
        loss = (losses * source_valid).sum() / source_valid.sum()
        loss = loss + adversary.reversed_loss(
            source_features,
            target_features,
            source_valid,
            target_valid,
            adversarial_weight=advlearn.dann_schedule(step / options.steps),
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        adversary.step()

with torch.no_grad():
    image, truth, valid = draw(256, 0.6)
    predicted = (model(image) > 0) * valid
overlap = (predicted * truth).sum() / torch.maximum(predicted, truth).sum()
print(f"intersection over union on the target {overlap:.3f}; {adversary.health()}")
