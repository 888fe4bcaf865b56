"""Adapt a classifier of digits to digits that look different and have no labels; draw both domains before and after.

The target is the same data set in negative and noisy, cut from other samples. Its labels serve for the last line alone.

python examples/adapt_digits.py [--steps 1500] [--objective nsgan] [--picture adapt_digits.png]
"""

import argparse

import torch
from matplotlib.figure import Figure

import advlearn
from advlearn.data import Domains, Source, load
from advlearn.metrics import accuracy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1500)
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="adapt_digits.png")
options = parser.parse_args()

digits = load("digits")
noise = 0.4 * torch.randn(digits.x[900:].shape, generator=torch.Generator().manual_seed(0))
source = Source(digits.x[:900], digits.y[:900], "digits", 10)
target = Source(digits.x[900:] * -0.6 + noise, digits.y[900:], "negative", 10)

settings = {"data": Domains((source,), target), "steps": options.steps, "lr": 1e-3, "device": "cpu", "callbacks": ()}
plain = advlearn.fit("adapt(strength=0.0)", options.objective, **settings)
adapted = advlearn.fit("adapt", options.objective, **settings)

figure = Figure(figsize=(9, 4.2), layout="constrained")
for place, (name, run) in enumerate({"source only": plain, f"adapted: {options.objective}": adapted}.items()):
    with torch.no_grad():
        features = run.player.model.features(torch.cat([source.x, target.x]))
    points = torch.pca_lowrank(features, 2)[0]
    axes = figure.add_subplot(1, 2, place + 1)
    axes.scatter(*points[: len(source)].T, s=6, label="source")
    axes.scatter(*points[len(source) :].T, s=6, label="target")
    axes.set(title=f"{name}: target accuracy {accuracy(run.predict(target.x), target.y):.3f}", xticks=[], yticks=[])
    axes.legend()
figure.savefig(options.picture, dpi=100)

for name, run in (("source only", plain), ("adapted", adapted)):
    print(f"{name}: target accuracy {accuracy(run.predict(target.x), target.y):.3f}; {run.health()['domain']}")
print(f"picture: {options.picture}")
