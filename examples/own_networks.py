"""Train your own networks on your own arrays with any objective.

python examples/own_networks.py [--steps 3000] [--objective "r3gan(weight=0.1)"]
"""

import argparse

import numpy as np
from torch import nn

import advlearn
from advlearn.tasks.generate import Generate

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument("--objective", default="r3gan(weight=0.1)")
options = parser.parse_args()

angle = np.random.default_rng(0).uniform(0, 2 * np.pi, 5000)
circle = np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)

generator = nn.Sequential(
    nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 2)
)
critic = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 1))
task = Generate(generator, latent=2, shape=(2,))

run = advlearn.fit(task, options.objective, circle, steps=options.steps, lr=2e-3, critic=critic)
radius = run.sample(1000, seed=0).norm(dim=1)
print(f"radius {radius.mean():.3f} +- {radius.std():.3f} (data: 1 +- 0); {run.health()['data']}")
