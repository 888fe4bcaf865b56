"""Generate images by class with the networks of a paper, and plot classes and truncation.

The first picture has a row for each class. The second has a column for each truncation of the same
latents: 0 is the one image that the class has without any latent, and more gives more variety at
the price of odd ones. The data are the digits that come with scikit-learn; `--data fashion-mnist`
takes clothes, which are downloaded.

python examples/conditional_images.py [--nets biggan] [--data digits-32] [--steps 1200]
    [--picture conditional_images.png]
"""

import argparse
from pathlib import Path

import torch

import advlearn
from advlearn.nets import architectures
from advlearn.plots.image_table import image_table

CLOTHES = (
    "T-shirt",
    "trousers",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "boot",
)
BOUNDS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--nets", default="biggan", choices=list(architectures()))
parser.add_argument("--objective", default="hinge + spectral_norm")
parser.add_argument("--data", default="digits-32")
parser.add_argument("--width", type=int, default=8)
parser.add_argument("--steps", type=int, default=1200)
parser.add_argument("--picture", default="conditional_images.png")
options = parser.parse_args()

run = advlearn.fit(
    f"generate(conditional=True, architecture={options.nets!r}, base_channels={options.width})",
    options.objective,
    options.data,
    steps=options.steps,
    batch_size=32,
    lr=1e-3,
    device="cpu",
)


def by_class(truncation: float | None, columns: int) -> torch.Tensor:
    """Return images (10, columns, C, H, W), a row per class, from fixed latents."""
    torch.manual_seed(0)
    labels = torch.arange(10).repeat_interleave(columns)
    return run.ema_model.sample(len(labels), labels, truncation).unflatten(0, (10, columns))


names = CLOTHES if options.data == "fashion-mnist" else [str(k) for k in range(10)]
first = Path(options.picture)
second = first.with_stem(f"{first.stem}_truncation")
image_table(by_class(None, 10), first, rows=names)
sweep = torch.cat([by_class(bound, 1) for bound in BOUNDS], dim=1)
image_table(sweep, second, columns=[f"{bound:g}" for bound in BOUNDS], rows=names)

spread = [float(by_class(bound, 10).std(dim=1).mean()) for bound in BOUNDS]
print(f"{options.nets}: {run.health()['data']}")
print(
    "spread within a class by truncation: "
    + ", ".join(f"{b:g}: {s:.3f}" for b, s in zip(BOUNDS, spread, strict=True))
)
print(f"pictures: {first}, {second}")
