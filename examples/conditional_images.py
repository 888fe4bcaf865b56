"""Generate images by class with the architecture of a paper, and plot classes and truncation.

The first picture has a row for each class. The second has a row for each class and a column for
each truncation of the same latents. At truncation 0 every latent is zero, so a class has one image.
Larger values give more variety and more unusual images. The data are the digits that come with
scikit-learn; `--data fashion-mnist` uses clothes, which are downloaded.

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
TRUNCATIONS = (0.0, 0.25, 0.5, 1.0, 1.5, 2.0, 3.0)

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "--nets", default="biggan", choices=list(architectures()), help="architecture of both networks"
)
parser.add_argument("--objective", default="hinge + spectral_norm")
parser.add_argument("--data", default="digits-32")
parser.add_argument("--base-channels", type=int, default=8)
parser.add_argument("--steps", type=int, default=1200)
parser.add_argument("--picture", default="conditional_images.png")
options = parser.parse_args()

settings = f"architecture={options.nets!r}, base_channels={options.base_channels}"
run = advlearn.fit(
    f"generate(conditional=True, {settings})",
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
sweep = torch.cat([by_class(psi, 1) for psi in TRUNCATIONS], dim=1)
image_table(sweep, second, columns=[f"{psi:g}" for psi in TRUNCATIONS], rows=names)

spread = [float(by_class(psi, 10).std(dim=1).mean()) for psi in TRUNCATIONS]
print(f"{options.nets}: {run.health()['data']}")
print(
    "spread within a class by truncation: "
    + ", ".join(f"{b:g}: {s:.3f}" for b, s in zip(TRUNCATIONS, spread, strict=True))
)
print(f"pictures: {first}, {second}")
