"""Train a model and a critic that FSDP2 shards over several processes.

`fully_shard` prepares the critic before the adversary gets it. The optimizer's state is sharded as
the critic is, and the norm that `step` returns is that of the whole gradient.

torchrun --nproc_per_node 2 examples/fsdp2_head.py [--steps 200]
"""

import argparse

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import advlearn

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=200)
options = parser.parse_args()

if dist.is_torchelastic_launched():
    dist.init_process_group("gloo")
else:  # without torchrun, one process
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
mesh = init_device_mesh("cpu", (dist.get_world_size(),))


def sharded(*layers: nn.Module) -> nn.Sequential:
    """Return a network whose layers with weights are sharded one by one."""
    network = nn.Sequential(*layers)
    for layer in network:
        if isinstance(layer, nn.Linear):
            fully_shard(layer, mesh=mesh)
    fully_shard(network, mesh=mesh)
    return network


torch.manual_seed(0)
model = sharded(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2))
critic = sharded(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
adversary = advlearn.Adversary(critic, "nsgan + r1(weight=0.1, estimate='difference')", lr=1e-3)
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.99))

torch.manual_seed(1 + dist.get_rank())  # each process draws its own data
for _ in range(options.steps):
    angle = 6.2832 * torch.rand(128)
    real = torch.stack([angle.cos(), angle.sin()], 1)
    fake = model(torch.randn(128, 2))
    adversary.critic_loss(real, fake).backward()
    norm = adversary.step(clip=10.0)
    optimizer.zero_grad()
    adversary.player_loss(real, fake).backward()
    optimizer.step()

with torch.no_grad():
    radius = model(torch.randn(1024, 2)).norm(dim=1).mean()
health = adversary.health()  # every process takes part, since the critic is sharded
if dist.get_rank() == 0:
    print(f"mean radius {radius:.2f} of 1, gradient norm {norm:.2f}; {health}")
dist.destroy_process_group()
