"""Train GRAN, which draws digits in several steps, and plot its canvas after each step.

The digits come with scikit-learn; `--data mnist` uses MNIST, which is downloaded.

python examples/drawing.py [--steps 4000] [--data digits-32] [--picture drawing.png]
"""

import argparse

import torch

import advlearn
from advlearn.plots import image_table

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="nsgan + r1(weight=0.1)")
parser.add_argument("--picture", default="drawing.png")
options = parser.parse_args()

task = "generate(latent=64, architecture='gran', base_channels=16)"
settings = {"steps": options.steps, "batch_size": 32, "lr": 5e-4, "device": "cpu"}
run = advlearn.fit(task, options.objective, options.data, **settings)
with torch.no_grad():
    canvases = run.ema_model.generator.eval().drawing(
        torch.randn(10, 64, generator=torch.Generator().manual_seed(0))
    )
image_table(
    canvases.transpose(0, 1),
    options.picture,
    rows=[f"step {t + 1}" for t in range(canvases.shape[1])],
)
print(f"{run.health()['data']}; picture: {options.picture}")
