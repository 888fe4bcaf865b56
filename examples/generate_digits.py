"""Train a class-conditional generator of digits, plot ten samples per class, and look for copies.

A second picture shows the first sample of each class and the training images nearest to it. The
report compares the samples with held-out digits, and states its protocol. A generator that copies
training images has ``copies`` above 0.01.

python examples/generate_digits.py [--steps 2000] [--objective "wgan-gp"] [--out digits.png]
"""

import argparse
from pathlib import Path

import torch

import advlearn
from advlearn.data import ArrayDataset, load
from advlearn.metrics import sampled_report
from advlearn.plots import nearest_training_images
from advlearn.training.samples import save_image_grid

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--objective", default="wgan-gp")
parser.add_argument("--out", default="digits.png")
options = parser.parse_args()

digits = load("digits")
order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
train, test = (
    ArrayDataset(digits.x[rows], digits.y[rows], name, 10)
    for rows, name in ((order[:1300], "digits"), (order[1300:], "held-out digits"))
)
run = advlearn.fit(
    "generate(conditional=True)", options.objective, train, steps=options.steps, lr=5e-4
)

samples = run.sample(1000, torch.arange(1000) % 10, seed=0)
save_image_grid(samples[:100], options.out)
nearest = Path(options.out).with_stem(f"{Path(options.out).stem}_nearest")
nearest_training_images(samples[:10], train.x, nearest)
print(sampled_report(samples, train, test))
print(f"{run.health()['data']}; pictures: {options.out}, {nearest}")
