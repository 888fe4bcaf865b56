"""Classify digits from a few labels with a K+1 classifier (Improved GAN).

The picture shows samples of the generator, and the test accuracy compared with that of the same
network trained on the labelled images only. A data set without a test part, such as the digits that
come with scikit-learn, is tested on the images that were trained on without their labels.

python examples/few_labels.py [--data digits-32] [--steps 400] [--labels 20]
    [--objective improved-gan] [--picture few_labels.png]

With ``--objective bad-gan`` the generator makes images that are unlike the data. ``--data mnist``
uses MNIST, which is downloaded.
"""

import argparse

import torch
from matplotlib.figure import Figure
from torch.nn.functional import cross_entropy

import advlearn
from advlearn.data import few_labels
from advlearn.metrics import accuracy
from advlearn.nets import predictor_for

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=400)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--labels", type=int, default=20)
parser.add_argument("--objective", default="improved-gan")
parser.add_argument("--picture", default="few_labels.png")
options = parser.parse_args()

data = few_labels(options.data, options.labels)
test = data.test()
run = advlearn.fit("semi_supervised", options.objective, data, steps=options.steps, device="cpu")

torch.manual_seed(0)
supervised, labelled = predictor_for(data.shape, data.classes), data.labelled
optimizer = torch.optim.Adam(supervised.parameters(), lr=1e-3)
for _ in range(min(options.steps, 300)):  # enough to fit its few labels
    optimizer.zero_grad()
    cross_entropy(supervised(labelled.x), labelled.y).backward()
    optimizer.step()
with torch.no_grad():
    logits = {"labels only": supervised.eval()(test.x), options.objective: run.predict(test.x)}
accuracies = {name: accuracy(scores, test.y) for name, scores in logits.items()}

figure = Figure(figsize=(8, 3.6), layout="constrained")
left, right = figure.subplots(1, 2)
samples = run.sample(36, seed=0)[:, 0].unflatten(0, (6, 6))
left.imshow(samples.transpose(1, 2).flatten(2).flatten(0, 1), cmap="gray", vmin=-1, vmax=1)
left.set(title="samples", xticks=[], yticks=[])
bars = right.bar(list(accuracies), list(accuracies.values()), color=["tab:gray", "tab:orange"])
right.bar_label(bars, fmt="%.3f")
right.set(title=f"accuracy with {options.labels} labels", ylim=(0, 1.1))
figure.savefig(options.picture, dpi=100)

for name, value in accuracies.items():
    print(f"{name}: accuracy {value:.3f} with {options.labels} labels on {len(test)} test images")
print(f"{run.health()['data']}; picture: {options.picture}")
