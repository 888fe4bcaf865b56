"""Paint a few pixels of a digit and let a generator make a digit of it: editing on the manifold that it has learnt.

Each row: a digit, what its code is decoded to, the digit with five pixels painted over, how much
each pixel counts, and what the code that agrees best is decoded to, searched from the digit's own.
The last column carries the change over to the digit itself.

python examples/edit_by_projection.py [--steps 4000] [--picture edit_by_projection.png]
"""

import argparse

import torch

import advlearn
from advlearn.data import load
from advlearn.editing import carry_over, project
from advlearn.plots import before_after

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=4000)
parser.add_argument("--objective", default="nsgan")
parser.add_argument("--picture", default="edit_by_projection.png")
options = parser.parse_args()

digits = load("digits")
settings = {"steps": options.steps, "lr": 1e-3, "device": "cpu"}
run = advlearn.fit(
    "representation(compare='codes', latent=16, base_channels=32, reconstruction=2.0)",
    options.objective,
    digits.x[200:],
    **settings,
)
player = run.ema_model

# The brush: white at the left of the upper half, black at the right of the lower one; the rest
# counts a little.
image = digits.x[:10]
painted, brush = image.clone(), torch.zeros_like(image)
painted[:, :, 1:4, 2], brush[:, :, 1:4, 2] = 1.0, 1.0
painted[:, :, 4:6, 5], brush[:, :, 4:6, 5] = -1.0, 1.0
mask = brush.clamp(min=0.1)

codes, before = player.encode(image), player.reconstruct(image)
found = project(player.generator, painted, codes, mask, steps=200, closeness=0.01)
after = found.samples
columns = {
    "digit": image,
    "decoded": before,
    "painted": painted,
    "mask": mask * 2 - 1,
    "projected": after,
}
before_after({**columns, "edited": carry_over(image, before, after, blur=0.5)}, options.picture)

under = [((made - painted).square() * brush).sum() / brush.sum() for made in (before, after)]
print(f"squared error under the brush: {under[0]:.3f} before the projection, {under[1]:.3f} after")
print(
    f"codes moved by {(found.codes - codes).norm(dim=1).mean():.2f}, of a length of {codes.norm(dim=1).mean():.2f}"
)
print(f"picture: {options.picture}")
