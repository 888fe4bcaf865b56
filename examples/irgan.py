"""Retrieve images for an image by policy gradient (IRGAN): which of 200 digits match a query?

A document is relevant if it shows the query's digit; training uses four relevant documents for each
query. Three retrievers are tested on new queries: the generative one, which samples documents, the
critic, which scores them, and a network of the same form that is trained by likelihood only.

python examples/irgan.py [--steps 3000] [--objective nsgan] [--picture irgan.png]
"""

import argparse

import torch
from torch.nn.functional import cross_entropy

import advlearn
from advlearn.data import ArrayDataset, Batches, load
from advlearn.nets import predictor_for
from advlearn.plots.image_table import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="irgan.png")
options = parser.parse_args()

DOCUMENTS, RELEVANT = 200, 4
digits = load("digits")
documents, document_classes = digits.x[:DOCUMENTS], digits.y[:DOCUMENTS]
queries, query_classes = digits.x[DOCUMENTS:1400], digits.y[DOCUMENTS:1400]
new, new_classes = digits.x[1400:], digits.y[1400:]

torch.manual_seed(0)
relevant = (query_classes[:, None] == document_classes).float().multinomial(RELEVANT)
data = ArrayDataset(
    queries.repeat_interleave(RELEVANT, 0), relevant.flatten(), "digits by digits", DOCUMENTS
)
run = advlearn.fit(
    "retrieval",
    options.objective,
    data,
    steps=options.steps,
    batch_size=64,
    lr=1e-3,
    device="cpu",
    callbacks=(),
)

supervised = predictor_for(digits.shape, DOCUMENTS)
optimizer = torch.optim.Adam(supervised.parameters(), 1e-3)
stream = Batches(data, 64)
for _ in range(options.steps):
    x, d = next(stream)
    optimizer.zero_grad()
    cross_entropy(supervised(x), d).backward()
    optimizer.step()

with torch.no_grad():
    by_likelihood = supervised(new).topk(5, 1).indices
critic = run.adversaries["data"].critic
retrieved = {
    "generative": run.ema_model.retrieve(new, 5),
    "critic": run.ema_model.rank(new, critic, 5),
    "likelihood": by_likelihood,
}
for name, numbers in retrieved.items():
    hits = document_classes[numbers] == new_classes[:, None]
    print(f"{name}: {float(hits.float().mean()):.1%} of the first five documents are relevant")
chance = float((new_classes[:, None] == document_classes).float().mean())
print(f"by chance: {chance:.1%}; {run.health()['data']}")

best = run.ema_model.retrieve(new[:8], k=8)
rows = torch.cat([new[:8, None], documents[best]], 1)
image_table(rows, options.picture, columns=["query", *(str(k + 1) for k in range(8))])
print(f"picture: {options.picture}")
