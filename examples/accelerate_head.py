"""Add an adversarial loss to a training loop that Accelerate runs.

Accelerate prepares the model. The adversary keeps its own critic and optimizer, and averages its
gradients over several processes without a wrapper. `register_for_checkpointing` includes it in what
`accelerator.save_state` writes and `load_state` reads.

python examples/accelerate_head.py [--steps 300]
"""

import argparse

import torch
from accelerate import Accelerator
from torch import nn

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
options = parser.parse_args()

torch.manual_seed(0)
accelerator = Accelerator()
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)).to(accelerator.device)
adversary = advlearn.Adversary(critic, "nsgan", lr=1e-3)
capture = advlearn.attach(model, "1")
model, optimizer = accelerator.prepare(model, torch.optim.Adam(model.parameters(), lr=1e-3))
accelerator.register_for_checkpointing(adversary)

for _ in range(options.steps):
    source = torch.randn(64, 4, device=accelerator.device)
    target = torch.randn(64, 4, device=accelerator.device) + 0.5
    logits = model(torch.cat([source, target]))
    source_features, target_features = capture.output.chunk(2)
    adversary.update(source_features, target_features)
    loss = nn.functional.cross_entropy(
        logits[:64], (source[:, 0] > 0).long()
    ) + adversary.player_loss(source_features, target_features)
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()

accelerator.print(f"loss {loss:.3f}; {adversary.health()}")
