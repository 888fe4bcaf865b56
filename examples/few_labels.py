"""Classify digits with a few labels: the classifier is the critic of a generator, and so learns from all digits.

The picture has the generator's samples, and the accuracy beside that of the same network taught by its labels alone.

python examples/few_labels.py [--steps 2000] [--labels 50] [--objective improved-gan] [--picture few_labels.png]

With ``--objective bad-gan`` the generator makes what the data are not.
"""

import argparse

import torch
from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy

import advlearn
from advlearn.data import PartlyLabelled, Source, load
from advlearn.metrics import accuracy
from advlearn.nets import predictor_for

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=2000)
parser.add_argument("--labels", type=int, default=50)
parser.add_argument("--objective", default="improved-gan")
parser.add_argument("--picture", default="few_labels.png")
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

torch.manual_seed(0)
alone = predictor_for(data.shape, data.classes)
optimizer = torch.optim.Adam(alone.parameters(), lr=1e-3)
for _ in range(min(options.steps, 300)):  # it has learnt its labels by heart long before
    optimizer.zero_grad()
    cross_entropy(alone(digits.x[few]), digits.y[few]).backward()
    optimizer.step()
logits = {"labels alone": alone.eval()(digits.x[test]).detach(), options.objective: run.predict(digits.x[test])}
found = {name: accuracy(scores, digits.y[test]) for name, scores in logits.items()}

figure = Figure(figsize=(8, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
samples = run.sample(36, seed=0)[:, 0].unflatten(0, (6, 6))
left.imshow(samples.transpose(1, 2).flatten(2).flatten(0, 1), cmap="gray", vmin=-1, vmax=1)
left.set(title="samples", xticks=[], yticks=[])
bars = right.bar(list(found), list(found.values()), color=["tab:gray", "tab:orange"])
right.bar_label(bars, fmt="%.3f")
right.set(title=f"accuracy with {options.labels} labels", ylim=(0, 1))
figure.savefig(options.picture, dpi=100)

for name, value in found.items():
    print(f"{name}: accuracy {value:.3f} with {options.labels} labels on {len(test)} others")
print(f"{run.health()['data']}; picture: {options.picture}")
