"""Translate edges to the digits they outline with an L1 loss only and with pix2pix.

The first is grey where it cannot know, the second, with a critic of patches beside the difference,
decides. `--data fashion-mnist` takes clothes, which are downloaded.

python examples/pix2pix_edges.py [--data digits-32] [--steps 1500] [--objective lsgan]
    [--picture pix2pix_edges.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import edges, load
from advlearn.plots.before_after import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1500)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--picture", default="pix2pix_edges.png")
options = parser.parse_args()

# The last 8 images are for the picture; `data="edges:digits-32"` would take all of them for
# training.
images = load(options.data).x[:10_000]
drawings = edges(images)
settings = {
    "data": (drawings[:-8], images[:-8]),
    "steps": options.steps,
    "batch_size": 16,
    "lr": 1e-3,
    "callbacks": (),
}
distance = advlearn.fit(
    "paired_translation(base_channels=16, adversarial_weight=0.0)", options.objective, **settings
)
pix2pix = advlearn.fit(
    "paired_translation(base_channels=16, distance_weight=10.0)", options.objective, **settings
)

columns = {"edges": drawings[-8:]}
columns |= {
    name: run.predict(drawings[-8:]).cpu()
    for name, run in (("L1 alone", distance), ("pix2pix", pix2pix))
}
columns["truth"] = images[-8:]


def steepness(x: torch.Tensor) -> float:
    """Return the mean absolute difference between neighbouring pixels."""
    return float(x.diff(dim=3).abs().mean() + x.diff(dim=2).abs().mean())


print(f"picture: {before_after(columns, options.picture)}")
for name in ("L1 alone", "pix2pix"):
    print(
        f"{name}: {steepness(columns[name]) / steepness(columns['truth']):.2f} times as sharp as the truth"
    )
print(pix2pix.health()["pairs"])
