"""Colour grey photographs of CIFAR-10: a mean difference answers brown, a critic of patches asks for colours.

python examples/colourise.py [--steps 1500] [--objective lsgan] [--picture colourise.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import grey, load
from advlearn.plots.before_after import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1500)
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--picture", default="colourise.png")
options = parser.parse_args()

# The test part is small enough to load in seconds; `data="grey:cifar10"` takes the training part.
photographs = load("cifar10-test").x
shown = photographs[-8:]
run = advlearn.fit(
    "paired_translation(base_channels=16, distance_weight=10.0)",
    options.objective,
    (grey(photographs[:-8]), photographs[:-8]),
    steps=options.steps,
    batch_size=16,
    lr=1e-3,
    callbacks=(),
)
coloured = run.predict(grey(shown)).cpu()


def chroma(x: torch.Tensor) -> float:
    """Mean distance of a colour from its own grey."""
    return float((x - x.mean(1, keepdim=True)).norm(dim=1).mean())


print(
    f"picture: {before_after({'grey': grey(shown), 'coloured': coloured, 'truth': shown}, options.picture)}"
)
print(f"colour: {chroma(coloured) / chroma(shown):.2f} of the truth's; {run.health()['pairs']}")
