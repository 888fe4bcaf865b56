"""Adapt a classifier to rotated digits without labels, and plot both domains before and after.

The target domain is other digits of the same data set, rotated by 40 degrees. Each run keeps the
model whose predictions on the target have the most information, a choice that needs no labels. The
labels of the target are used only for the printed accuracies.

python examples/adapt_digits.py [--steps 1500] [--objective nsgan] [--picture adapt_digits.png]
"""

import argparse
import math

import torch
from torch.nn.functional import affine_grid, grid_sample

import advlearn
from advlearn.data import ArrayDataset, load, open_domains
from advlearn.metrics import accuracy, information_maximisation
from advlearn.plots import embedding
from advlearn.training import KeepBestModel

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1500)
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="adapt_digits.png")
options = parser.parse_args()


def rotated(x: torch.Tensor, degrees: float) -> torch.Tensor:
    """Return the images (N, C, H, W), rotated."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    rotation = torch.tensor([[c, -s, 0.0], [s, c, 0.0]]).expand(len(x), 2, 3)
    grid = affine_grid(rotation, list(x.shape), align_corners=False)
    return grid_sample(x, grid, padding_mode="border", align_corners=False)


digits = load("digits")
order = torch.randperm(len(digits), generator=torch.Generator().manual_seed(0))
x, y = digits.x[order], digits.y[order]
source = ArrayDataset(x[:900], y[:900], "digits", 10)
target = ArrayDataset(rotated(x[900:], 40), y[900:], "rotated", 10)
data = open_domains((source, target))

panels = {}
for name, task in (
    ("source only", "domain_adaptation(adversarial_weight=0.0)"),
    ("adapted", "domain_adaptation"),
):
    best = KeepBestModel(lambda model: information_maximisation(model.predict(target.x)), every=100)
    settings = {"steps": options.steps, "lr": 1e-3, "device": "cpu", "callbacks": [best]}
    run = advlearn.fit(task, options.objective, data, **settings)
    target_accuracy = accuracy(run.predict(target.x), target.y)
    panels[f"{name}: target accuracy {target_accuracy:.3f}"] = run.ema_model.embedding(data)
    print(f"{name}: target accuracy {target_accuracy:.3f} (step {best.best_step})")
    print(f"  {run.health()['domain']}")
print(f"picture: {embedding(panels, options.picture)}")
