"""Learn the texture of one photograph with PSGAN and generate a larger one.

The photograph comes with scikit-learn and shows the petals of a dahlia. Training uses patches of 32
pixels. The picture shows the photograph, and a generated texture of 192 pixels from one latent.

python examples/texture.py [--steps 3000] [--photograph FILE] [--picture texture.png]
"""

import argparse

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.nn.functional import avg_pool2d, interpolate

import advlearn
from advlearn.data import ArrayDataset
from advlearn.plots import image_table

SIDE, LARGE = 32, 192

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=3000)
parser.add_argument(
    "--photograph", help="image file to use instead; the whole image is the texture"
)
parser.add_argument("--objective", default="nsgan + r1(weight=1)")
parser.add_argument("--picture", default="texture.png")
options = parser.parse_args()

if options.photograph is None:
    pixels = avg_pool2d(
        torch.tensor(load_sample_image("flower.jpg")[100:340, 180:420]).permute(2, 0, 1).float(), 2
    )
else:
    pixels = (
        torch.tensor(np.asarray(Image.open(options.photograph).convert("RGB")))
        .permute(2, 0, 1)
        .float()
    )
texture = pixels / 127.5 - 1
random = torch.Generator().manual_seed(0)
corners = [
    [int(torch.randint(n - SIDE + 1, (), generator=random)) for n in texture.shape[1:]]
    for _ in range(4000)
]
patches = torch.stack([texture[:, i : i + SIDE, j : j + SIDE] for i, j in corners])

task = "generate(latent=8, architecture='psgan', base_channels=24)"
settings = {"steps": options.steps, "batch_size": 32, "lr": 5e-4, "device": "cpu"}
run = advlearn.fit(task, options.objective, ArrayDataset(patches, None, "patches"), **settings)
torch.manual_seed(0)
with torch.no_grad():
    large = run.ema_model.generator.eval().texture(torch.randn(1, 8), LARGE, LARGE)
photograph = interpolate(texture[None], size=(LARGE, LARGE), mode="bilinear")
if options.photograph is None:  # at its own scale, on white
    photograph = torch.ones(1, 3, LARGE, LARGE)
    photograph[:, :, : texture.shape[1], : texture.shape[2]] = texture
image_table(
    torch.stack([photograph, large], 1), options.picture, columns=["photograph", "generated"]
)
print(f"{run.health()['data']}; picture: {options.picture}")
