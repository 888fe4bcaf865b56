"""Edit digits: paint some pixels, and project the result onto the generator's manifold.

Each row shows a digit, its reconstruction, the painted digit, the weight of each pixel, and the
generated image closest to the painted one, found by gradient descent from the digit's code. The
last column applies the change to the digit itself.

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
    "aae(latent=16, base_channels=32, reconstruction=2.0)",
    options.objective,
    digits.x[200:],
    **settings,
)
model = run.ema_model

# Paint white at the left of the upper half and black at the right of the lower half. The other
# pixels have a small weight.
image = digits.x[:10]
painted, brush = image.clone(), torch.zeros_like(image)
painted[:, :, 1:4, 2], brush[:, :, 1:4, 2] = 1.0, 1.0
painted[:, :, 4:6, 5], brush[:, :, 4:6, 5] = -1.0, 1.0
mask = brush.clamp(min=0.1)

codes, before = model.encode(image), model.reconstruct(image)
projection = project(model.generator, painted, codes, mask, steps=200, closeness=0.01)
after = projection.samples
columns = {
    "digit": image,
    "decoded": before,
    "painted": painted,
    "mask": mask * 2 - 1,
    "projected": after,
}
before_after({**columns, "edited": carry_over(image, before, after, blur=0.5)}, options.picture)

errors = [((images - painted).square() * brush).sum() / brush.sum() for images in (before, after)]
print(f"squared error at the painted pixels: {errors[0]:.3f}, after the projection {errors[1]:.3f}")
moved, length = (projection.codes - codes).norm(dim=1).mean(), codes.norm(dim=1).mean()
print(f"mean change of the codes {moved:.2f}, mean length {length:.2f}")
print(f"picture: {options.picture}")
