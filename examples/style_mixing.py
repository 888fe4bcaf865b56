"""Train StyleGAN, and plot the coarse style of one sample with the fine style of another.

The images of a row have the coarse styles of the sample at its left, and those of a column have the
fine styles of the sample above it. A second picture shows samples at several truncations, from the
mean style to no truncation. The data are the digits that come with scikit-learn; `--data
fashion-mnist` uses clothes, which are downloaded.

python examples/style_mixing.py [--steps 3000] [--data digits-32] [--picture style_mixing.png]
"""

import argparse
from pathlib import Path

import torch

import advlearn
from advlearn.plots import mixing, truncation

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="nsgan + r1(weight=0.1)")
parser.add_argument("--picture", default="style_mixing.png")
options = parser.parse_args()

task = "generate(latent=64, architecture='stylegan', base_channels=16)"
run = advlearn.fit(
    task, options.objective, options.data, steps=options.steps, batch_size=32, lr=1e-3, device="cpu"
)
generator = run.ema_model.generator.eval()

torch.manual_seed(0)
coarse, fine = torch.randn(5, 64), torch.randn(7, 64)
# All layers have the coarse style but the two of the last resolution.
layers = len(generator.layers) - 2
picture = mixing(lambda a, b: generator.mixed(a, b, layers), coarse, fine, options.picture)
sweep = Path(options.picture).with_stem(f"{Path(options.picture).stem}_truncation")
truncation(
    lambda z, psi: generator.truncated(z, None, psi), coarse, (0.0, 0.25, 0.5, 0.75, 1.0), sweep
)
print(f"{run.health()['data']}; pictures: {picture}, {sweep}")
