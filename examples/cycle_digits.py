"""Translate digits between two styles without pairs: CycleGAN or DiscoGAN at 16 pixels.

The styles are the digits that come with scikit-learn, upright and rotated by 30 degrees; `--data
"usps <-> mnist"` takes two larger sets, which are downloaded.

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


def sixteen(name: str) -> ArrayDataset:
    """Return images of 16 x 16, which two halvings leave 4 x 4."""
    x = interpolate(load(name).x[:10_000], (16, 16), mode="bilinear", antialias=True)
    return ArrayDataset(x, None, name)


# Names alone, `data=options.data`, would keep the larger of the two sizes: MNIST's 28 pixels cost
# three times as much, and 8 pixels are too few for the networks' halvings.
data = Unpaired(*(sixteen(name.strip()) for name in options.data.split("<->")))
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
    back = columns["and back" if name == "a" else "and back to b"]
    gap = float((back - columns[name]).abs().mean())
    print(
        f"{name}: mean absolute difference of {gap:.3f} after there and back; {run.health()[name]}"
    )
print(f"picture: {before_after(columns, options.picture)}")
