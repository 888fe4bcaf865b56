"""Add an adversarial loss to a training loop of Accelerate, with accumulation of gradients.

Accelerate prepares the model. The adversary keeps its own critic and optimizer: in several
processes it starts from the weights of the first one and averages its gradients. It moves where the
model's optimizer does, at the last part of each batch. `register_for_checkpointing` includes it in
what `accelerator.save_state` writes and `load_state` reads.

python examples/accelerate_head.py [--steps 300]
torchrun --nproc_per_node 2 examples/accelerate_head.py
"""

import argparse

import torch
from accelerate import Accelerator
from torch import nn

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=300)
options = parser.parse_args()

PARTS = 2  # parts of a batch whose gradients add up
accelerator = Accelerator(gradient_accumulation_steps=PARTS)
torch.manual_seed(accelerator.process_index)  # each process draws its own data
model = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 2))
critic = nn.Sequential(nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 1)).to(accelerator.device)
adversary = advlearn.Adversary(critic, "nsgan", lr=1e-3)
capture = advlearn.attach(model, "1")
model, optimizer = accelerator.prepare(model, torch.optim.Adam(model.parameters(), lr=1e-3))
accelerator.register_for_checkpointing(adversary)

for _ in range(options.steps * PARTS):
    with accelerator.accumulate(model):
        source = torch.randn(64, 4, device=accelerator.device)
        target = torch.randn(64, 4, device=accelerator.device) + 0.5
        logits = model(torch.cat([source, target]))
        source_features, target_features = capture.output.chunk(2)
        accelerator.backward(adversary.critic_loss(source_features, target_features))
        task_loss = nn.functional.cross_entropy(logits[:64], (source[:, 0] > 0).long())
        loss = task_loss + adversary.player_loss(source_features, target_features)
        accelerator.backward(loss)
        if accelerator.sync_gradients:
            adversary.step(scaler=accelerator.scaler)
        optimizer.step()
        optimizer.zero_grad()

weights = torch.cat([p.detach().flatten() for p in critic.parameters()])
differences = accelerator.reduce(weights, "mean") - weights
accelerator.print(
    f"task loss {task_loss:.3f}, critic steps {adversary.steps_done}, difference of the critics of "
    f"{accelerator.num_processes} processes {differences.abs().max():.1e}; {adversary.health()}"
)
