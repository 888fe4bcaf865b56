"""Colour grey photographs with pix2pix, and compare their colourfulness with the originals'.

The data are squares of the two photographs that come with scikit-learn, a dahlia and a temple.
`--data cifar10-test` uses more photographs, which are downloaded.

python examples/colourise.py [--data photographs] [--steps 1500] [--objective lsgan]
    [--picture colourise.png]
"""

import argparse

import numpy as np
import torch
from sklearn.datasets import load_sample_images

import advlearn
from advlearn.data import grey, load
from advlearn.plots.before_after import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1500)
parser.add_argument("--data", default="photographs")
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--picture", default="colourise.png")
options = parser.parse_args()


def squares(side: int = 32) -> torch.Tensor:
    """Cut both photographs into squares that do not overlap, in a random order."""
    x = torch.tensor(np.stack(load_sample_images().images)).permute(0, 3, 1, 2) / 127.5 - 1
    cut = x.unfold(2, side, side).unfold(3, side, side).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
    return cut[torch.randperm(len(cut), generator=torch.Generator().manual_seed(0))].contiguous()


# Keep the last 8 for the picture; `data="grey:cifar10"` would train on all of them.
photographs = squares() if options.data == "photographs" else load(options.data).x
originals = photographs[-8:]
run = advlearn.fit(
    "paired_translation(base_channels=16, distance_weight=10.0)",
    options.objective,
    (grey(photographs[:-8]), photographs[:-8]),
    steps=options.steps,
    batch_size=16,
    lr=1e-3,
    callbacks=(),
)
coloured = run.predict(grey(originals)).cpu()


def chroma(x: torch.Tensor) -> float:
    """Return the mean distance of colours from their grey value."""
    return float((x - x.mean(1, keepdim=True)).norm(dim=1).mean())


columns = {"grey": grey(originals), "coloured": coloured, "truth": originals}
print(f"picture: {before_after(columns, options.picture)}")
ratio = chroma(coloured) / chroma(originals)
print(f"colourfulness: {ratio:.2f} of the originals'; {run.health()['pairs']}")
