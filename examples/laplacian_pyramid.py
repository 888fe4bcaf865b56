"""Train a Laplacian pyramid of generators (LAPGAN), and plot its samples from coarse to fine.

Each column shows one sample: the small image, the output of each level, and the full image. The
data are the digits that come with scikit-learn; `--data fashion-mnist` uses clothes, which are
downloaded.

python examples/laplacian_pyramid.py [--steps 4000] [--data digits-32]
    [--picture laplacian_pyramid.png]
"""

import argparse

import torch
from torch.nn.functional import interpolate

import advlearn
from advlearn.plots import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="nsgan + r1(weight=0.1)")
parser.add_argument("--picture", default="laplacian_pyramid.png")
options = parser.parse_args()

task = "laplacian_pyramid(conditional=True, base_channels=16)"
settings = {"steps": options.steps, "batch_size": 32, "lr": 1e-3, "device": "cpu"}
run = advlearn.fit(task, options.objective, options.data, **settings)
torch.manual_seed(0)
images = run.ema_model.stages(10)
side = images[-1].shape[-1]
rows = torch.stack([interpolate(x, size=(side, side), mode="nearest") for x in images])
image_table(rows, options.picture, rows=[f"{x.shape[-1]} pixels" for x in images])
print("; ".join(f"{name}: {health}" for name, health in run.health().items()))
print(f"picture: {options.picture}")
