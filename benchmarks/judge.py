"""Train the classifiers whose features and predictions the image benchmarks use."""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from advlearn.data import Batches


def teach(net: nn.Module, stream: Batches, steps: int) -> None:
    """Train a classifier by Adam with a one-cycle rate, and set it to evaluation mode."""
    optimizer = torch.optim.Adam(net.parameters())
    rate = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    for _ in range(steps):
        x, y = next(stream)
        optimizer.zero_grad()
        cross_entropy(net(x), y).backward()
        optimizer.step()
        rate.step()
    net.eval()
