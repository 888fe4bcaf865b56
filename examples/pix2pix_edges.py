"""Translate edges to the digits they outline, with an L1 loss only and with pix2pix.

With L1 only, the output is grey where the edges do not determine it. pix2pix adds a critic of
patches, which makes the output sharp. `--data fashion-mnist` uses clothes, which are downloaded.

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

# Keep the last 8 images for the picture; `data="edges:digits-32"` would train on all of them.
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
    for name, run in (("L1 only", distance), ("pix2pix", pix2pix))
}
columns["truth"] = images[-8:]


def sharpness(x: torch.Tensor) -> float:
    """Return the mean absolute difference of neighbouring pixels."""
    return float(x.diff(dim=3).abs().mean() + x.diff(dim=2).abs().mean())


print(f"picture: {before_after(columns, options.picture)}")
for name in ("L1 only", "pix2pix"):
    ratio = sharpness(columns[name]) / sharpness(columns["truth"])
    print(f"{name}: {ratio:.2f} of the truth's sharpness")
print(pix2pix.health()["pairs"])
