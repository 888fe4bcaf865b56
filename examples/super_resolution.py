"""Upscale images four times with bicubic interpolation, a squared error, and SRGAN.

The images are the digits that come with scikit-learn; `--data cifar10-test` uses photographs, which
are downloaded.

python examples/super_resolution.py [--data digits-32] [--steps 1000] [--objective lsgan]
    [--picture super_resolution.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import load, small
from advlearn.nets.families.translators import enlarged
from advlearn.plots.before_after import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=1000)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--picture", default="super_resolution.png")
options = parser.parse_args()

# Keep the last 8 images for the picture; `data="small:digits-32"` would train on all of them.
images = load(options.data).x
train, originals = images[:-8], images[-8:]
settings = {
    "data": (small(train), train),
    "steps": options.steps,
    "batch_size": 16,
    "lr": 1e-3,
    "callbacks": (),
}
task = (
    "paired_translation(base_channels=24, norm='l2', conditional=False, distance_weight=20.0, "
    "adversarial_weight={})"
)
squared = advlearn.fit(task.format(0.0), options.objective, **settings)
srgan = advlearn.fit(task.format(1.0), options.objective, **settings)

columns = {"small": small(originals), "bicubic": enlarged(small(originals), 4).clamp(-1, 1)}
columns |= {
    name: run.predict(small(originals)).cpu()
    for name, run in (("squared", squared), ("SRGAN", srgan))
}
columns["truth"] = originals
print(f"picture: {before_after(columns, options.picture)}")
for name in ("bicubic", "squared", "SRGAN"):
    psnr = 10 * torch.log10(4 / (columns[name] - originals).square().mean())
    print(f"{name}: {float(psnr):.2f} dB")
print(srgan.health()["pairs"])
