"""Predict the next frame of a video of a moving digit that bounces off walls at random.

With a squared error only, the prediction is blurred where the next frame is uncertain. A critic of
whole videos makes it one sharp digit. `--data mnist` uses MNIST, which is downloaded.

python examples/next_frame.py [--data digits-32] [--steps 800] [--objective lsgan]
    [--picture next_frame.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import load, pairs
from advlearn.plots.before_after import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=800)
parser.add_argument("--data", default="digits-32")
parser.add_argument("--objective", default="lsgan")
parser.add_argument("--picture", default="next_frame.png")
options = parser.parse_args()

# `data="frames:digits-32"` makes as many videos, and would train on all of them.
videos = pairs("frames", load(options.data).x[:5000])
last, following = videos.x[-10:], videos.y[-10:]
settings = {
    "data": (videos.x[:-10], videos.y[:-10]),
    "steps": options.steps,
    "batch_size": 16,
    "lr": 1e-3,
    "callbacks": (),
}
task = (
    "paired_translation(base_channels=16, norm='l2', distance_weight=10.0, adversarial_weight={})"
)
squared = advlearn.fit(task.format(0.0), options.objective, **settings)
adversarial = advlearn.fit(task.format(1.0), options.objective, **settings)

columns = {f"frame {k + 1}": last[:, k : k + 1] for k in range(last.shape[1])}
columns |= {
    name: run.predict(last).cpu()
    for name, run in (("squared", squared), ("with critic", adversarial))
}
columns["truth"] = following


def sharpness(x: torch.Tensor) -> float:
    """Return the mean absolute difference of neighbouring pixels."""
    return float(x.diff(dim=3).abs().mean() + x.diff(dim=2).abs().mean())


print(f"picture: {before_after(columns, options.picture)}")
for name in ("squared", "with critic"):
    error = float((columns[name] - following).square().mean())
    ratio = sharpness(columns[name]) / sharpness(following)
    print(f"{name}: squared error {error:.4f}, {ratio:.2f} of the truth's sharpness")
print(adversarial.health()["pairs"])
