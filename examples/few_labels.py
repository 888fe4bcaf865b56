"""Classify digits with a few labels: the classifier is the critic of a generator, and so learns from all digits.

python examples/few_labels.py [--steps 2000] [--labels 50] [--objective improved-gan]

With ``--objective bad-gan`` the generator makes what the data are not.
"""

import argparse

import torch

import advlearn
from advlearn.data import PartlyLabelled, Source, load
from advlearn.metrics import accuracy

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--labels", type=int, default=50)
parser.add_argument("--objective", default="improved-gan")
options = parser.parse_args()

digits = load("digits")
order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
train, test = order[:1400], order[1400:]
few = train[: options.labels]
data = PartlyLabelled(
    Source(digits.x[few], digits.y[few], "digits", 10),
    Source(digits.x[train], None, "unlabelled"),
)
run = advlearn.fit("classify", options.objective, data, steps=options.steps, device="cpu", callbacks=())
found = accuracy(run.predict(digits.x[test]), digits.y[test])
print(f"{options.labels} labels: accuracy {found:.3f} on {len(test)} others; {run.health()['data']}")
