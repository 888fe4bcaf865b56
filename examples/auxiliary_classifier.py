"""Generate digits by class with AC-GAN, and compare it with a projection critic.

A separate classifier, trained on real digits, measures how often a generated digit belongs to the
requested class.

python examples/auxiliary_classifier.py [--steps 3000] [--objective nsgan]
    [--picture auxiliary_classifier.png]
"""

import argparse

import torch
from torch.nn.functional import cross_entropy

import advlearn
from advlearn.data import Batches, load
from advlearn.metrics import accuracy
from advlearn.nets import predictor_for
from advlearn.plots.image_table import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="auxiliary_classifier.png")
options = parser.parse_args()

digits = load("digits")
torch.manual_seed(0)
classifier = predictor_for(digits.shape, 10)
optimizer = torch.optim.Adam(classifier.parameters(), 3e-3)
stream = Batches(digits, 64)
for _ in range(min(500, options.steps)):
    x, y = next(stream)
    optimizer.zero_grad()
    cross_entropy(classifier(x), y).backward()
    optimizer.step()

labels = torch.arange(1000) % 10
rows = []
for task in ("generate(conditional=True)", "ac_gan"):
    run = advlearn.fit(
        task, options.objective, digits, steps=options.steps, lr=1e-3, device="cpu", callbacks=()
    )
    samples = run.sample(1000, labels, seed=0)
    with torch.no_grad():
        share_correct = accuracy(classifier(samples), labels)
    print(f"{task}: {share_correct:.1%} of the digits are of the requested class")
    print(f"  {run.health()['data']}")
    rows.append(samples[:50].unflatten(0, (5, 10)))
row_names = [f"{name} {row + 1}" for name in ("projection", "ac_gan") for row in range(5)]
image_table(torch.cat(rows), options.picture, columns=[str(k) for k in range(10)], rows=row_names)
print(f"picture: {options.picture}")
