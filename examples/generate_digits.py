"""Train a class-conditional generator of digits, write a picture of ten of each, and ask whether they are copies.

A second picture has each digit's first sample beside the training images nearest to it. The report
compares samples with digits that were held out, and states its protocol: a generator that copies
has ``copies`` above 0.01.

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
    for rows, name in ((order[:1300], "digits"), (order[1300:], "digits that were held out"))
)
run = advlearn.fit(
    "generate(conditional=True)", options.objective, train, steps=options.steps, lr=5e-4
)

made = run.sample(1000, torch.arange(1000) % 10, seed=0)
save_image_grid(made[:100], options.out)
beside = Path(options.out).with_stem(f"{Path(options.out).stem}_nearest")
nearest_training_images(made[:10], train.x, beside)
print(sampled_report(made, train, test))
print(f"{run.health()['data']}; pictures: {options.out}, {beside}")
