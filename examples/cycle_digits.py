"""Write the digits of one hand in another's, without a single pair: USPS <-> MNIST by CycleGAN, at 16 pixels a side.

python examples/cycle_digits.py [--steps 1200] [--objective lsgan] [--method cyclegan] [--picture
cycle_digits.png]
"""

import argparse

from torch.nn.functional import interpolate

import advlearn
from advlearn.data import ArrayDataset, Unpaired, load
from advlearn.plots.before_after import before_after

METHODS = {
    "cyclegan": "cycle_weight=10.0, identity_weight=5.0, norm='l1', image_pool_size=50",
    "discogan": "cycle_weight=1.0, identity_weight=0.0, norm='l2', image_pool_size=0",
}

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1200)
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--method", default="cyclegan", choices=METHODS)
parser.add_argument("--picture", default="cycle_digits.png")
options = parser.parse_args()

# `data="usps <-> mnist"` would bring both to 28 pixels, which costs three times as much.
small = interpolate(load("mnist").x[:10_000], (16, 16), mode="bilinear", antialias=True)
data = Unpaired(load("usps"), ArrayDataset(small, None, "mnist"))
run = advlearn.fit(
    f"unpaired_translation(base_channels=8, blocks=3, {METHODS[options.method]})",
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
