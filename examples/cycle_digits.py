"""Translate digits between two styles without pairs, with CycleGAN or DiscoGAN at 16 pixels.

The styles are the digits that come with scikit-learn, upright and rotated by 30 degrees; `--data
"usps <-> mnist"` uses two larger sets, which are downloaded.

python examples/cycle_digits.py [--data "digits <-> rotated-digits"] [--steps 1200]
    [--objective lsgan] [--method cyclegan] [--picture cycle_digits.png]
"""

import argparse

from torch.nn.functional import interpolate

import advlearn
from advlearn.data import ArrayDataset, Unpaired, load
from advlearn.plots.before_after import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1200)
parser.add_argument("--data", default="digits <-> rotated-digits")
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--method", default="cyclegan", help="cyclegan or discogan")
parser.add_argument("--picture", default="cycle_digits.png")
options = parser.parse_args()


def at_16_pixels(name: str) -> ArrayDataset:
    """Return the images resized to 16 x 16, which the networks halve twice to 4 x 4."""
    x = interpolate(load(name).x[:10_000], (16, 16), mode="bilinear", antialias=True)
    return ArrayDataset(x, None, name)


# `data=options.data` would use the larger of the two sizes. MNIST's 28 pixels take three times as
# long, and 8 pixels are too few to halve twice.
data = Unpaired(*(at_16_pixels(name.strip()) for name in options.data.split("<->")))
run = advlearn.fit(
    f"{options.method}(base_channels=8, blocks=3)",
    options.objective,
    data,
    steps=options.steps,
    batch_size=16,
    lr=1e-3,
    callbacks=(),
)
columns = run.ema_model.before_after(data, 10)
for name in ("a", "b"):
    cycled = columns["and back" if name == "a" else "and back to b"]
    difference = float((cycled - columns[name]).abs().mean())
    print(f"{name}: mean absolute cycle error {difference:.3f}; {run.health()[name]}")
print(f"picture: {before_after(columns, options.picture)}")
