"""Train a class-conditional generator of digits and write a picture of ten of each.

python examples/generate_digits.py [--steps 2000] [--objective "wgan-gp"] [--out digits.png]
"""

import argparse

import torch

import advlearn
from advlearn.engine.samples import picture

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--objective", default="wgan-gp")
parser.add_argument("--out", default="digits.png")
options = parser.parse_args()

run = advlearn.fit("generate(conditional=True)", options.objective, "digits", steps=options.steps, lr=5e-4)
picture(run.sample(100, torch.arange(100) % 10, seed=0), options.out)
print(f"{run.health()['data']}; picture: {options.out}")
