"""An adversarial head in a loop that Accelerate runs.

The model is Accelerate's to prepare; the head keeps its critic and optimiser to itself, and several
processes share its gradients without a wrapper. Registered, it is part of what
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
    one, other = capture.output.chunk(2)
    adversary.update(one, other)
    loss = nn.functional.cross_entropy(
        logits[:64], (source[:, 0] > 0).long()
    ) + adversary.player_loss(one, other)
    optimizer.zero_grad()
    accelerator.backward(loss)
    optimizer.step()

accelerator.print(f"loss {loss:.3f}; {adversary.health()}")
