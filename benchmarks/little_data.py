"""DCGAN on 500 images of Fashion-MNIST, plain and with DiffAugment, ADA and LeCam; seeds 0 to 2.

A row is one training run on the first 500 training images: the generator and the critic of
`images.py` (DCGAN, width 16, no norm in the critic), batch 64, nsgan, Adam at 1e-3, samples of the
generator's moving average. Its budget is 600 s of CPU time of the training process on one thread;
with `--device cuda` a row is 20,000 generator steps whatever their time.

Frechet distance, precision, recall, density and coverage compare 10,000 samples with the 10,000
test images in the features of the classifier of `images.py`, which is trained on all training
images. `nearer` is the probability that a sample is nearer to the 500 training images than a test
image, in those features: 0.5 where nothing is copied. `p` is the probability of ADA's transforms at
the end. Rows named `real` compare the 500 images themselves.

The bars are on medians over the seeds: the Frechet distance of the best row with an augmentation
over that of the plain row, and the difference of `nearer` between the two.
"""

from functools import partial
from statistics import median
from typing import Any, cast

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from images import (
    BATCH,
    GPU_STEPS,
    LATENT,
    LR,
    SAMPLES,
    SECONDS,
    SHAPE,
    WIDTH,
    Budget,
    Watch,
    classifier,
    figures,
    parts,
)
from torch import Tensor, nn

from advlearn.core.finite import NonFiniteError
from advlearn.core.grammar import resolve
from advlearn.critics import Inputs, propose
from advlearn.data import ArrayDataset
from advlearn.fitting import fit
from advlearn.metrics import features
from advlearn.metrics.memorisation import memorisation
from advlearn.nets import DCGANGenerator
from advlearn.tasks.generate import Generate
from advlearn.training.rng import isolated
from advlearn.training.samples import save_image_grid

DATA, IMAGES, SEEDS = "fashion-mnist", 500, (0, 1, 2)
# Row to its objective; `real` trains nothing.
SPECS = {
    "none": "nsgan",
    "diff_augment": "nsgan + diff_augment",
    "ada": "nsgan + ada",
    "lecam": "nsgan + lecam",
}
NAMES = ("real", *SPECS)
COLUMNS = [
    "row",
    "seed",
    "device",
    "steps",
    "cpu_seconds",
    "frechet",
    "precision",
    "recall",
    "density",
    "coverage",
    "nearer",
    "p",
    "health",
]


def few(quick: bool) -> ArrayDataset:
    """The first training images."""
    train, _ = parts(DATA, quick)
    return ArrayDataset(train.x[:IMAGES], cast(Tensor, train.y)[:IMAGES], DATA, 10)


def measured(images: Tensor, quick: bool) -> Row:
    """Figures of images against the test images, and how near they are to the training images."""
    net, _ = classifier(DATA, quick)
    _, test = parts(DATA, quick)
    sides = (features(net[:-1], x) for x in (images, few(quick).x, test.x))
    near = memorisation(*sides)
    return {**figures(DATA, images, quick), "nearer": float(near.nearer)}


def train(row: str, seed: int, device: str, quick: bool) -> Row:
    """One row: train within the budget, draw samples, measure them."""
    key = {"row": row, "seed": seed, "device": device}
    if row == "real":
        return {**key, "steps": 0, "cpu_seconds": 0.0, **figures(DATA, few(quick).x, quick)}
    with isolated(seed):
        critic = propose(Inputs((SHAPE,)), resolve(SPECS[row]), base_channels=WIDTH)
        task = Generate(DCGANGenerator(LATENT, SHAPE, WIDTH), latent=LATENT, shape=SHAPE)
    watch, steps = (Budget(SECONDS), 10**6) if device == "cpu" else (Watch(), GPU_STEPS)
    settings: dict[str, Any] = {
        "batch_size": 8 if quick else BATCH,
        "lr": LR,
        "seed": seed,
        "device": device,
    }
    try:
        run = fit(
            task,
            SPECS[row],
            few(quick),
            steps=3 if quick else steps,
            callbacks=[watch],
            critic=critic,
            **settings,
        )
    except NonFiniteError as error:
        return {**key, "health": str(error)}
    n = 20 if quick else 100
    batches = range(1 if quick else SAMPLES // n)
    samples = torch.cat([run.sample(n, seed=k).cpu() for k in batches])
    if not quick and seed == SEEDS[0]:
        suffix = "" if device == "cpu" else f"-{device}"
        save_image_grid(samples[:64], RESULTS / "little_data" / f"{row}{suffix}.png")
    made = run.trainer.step if run.trainer else 0
    key |= {"steps": made, "cpu_seconds": round(watch.spent, 1)}
    key |= strength(run.adversaries["data"].critic)
    return {**key, **measured(samples, quick), "health": run.health()["data"].verdict}


def strength(critic: nn.Module) -> Row:
    """The probability of the transforms of a critic with ADA."""
    buffers = dict(critic.named_buffers())
    return {name.rpartition(".")[2]: float(v) for name, v in buffers.items() if name.endswith(".p")}


def bars(result: Result) -> None:
    """Return the required bars of each device."""
    for device in sorted({r["device"] for r in result.rows}):
        rows = [r for r in result.rows if r["device"] == device and "nearer" in r]
        seeds = {name: {r["seed"]: r for r in rows if r["row"] == name} for name in SPECS}
        plain, suffix = seeds.pop("none"), "" if device == "cpu" else f", {device}"
        others = {name: found for name, found in seeds.items() if found.keys() == plain.keys()}
        if not plain or not others:
            continue

        def middle(found: dict[int, Row], figure: str) -> float:
            return median(row[figure] for row in found.values())

        best = min(others.values(), key=lambda found: middle(found, "frechet"))
        over = middle(best, "frechet") / middle(plain, "frechet")
        result.bar(f"Frechet distance of the best over none{suffix}", over, "<=", 0.7)
        more = middle(best, "nearer") - middle(plain, "nearer")
        result.bar(f"nearer to the training images: the best less none{suffix}", more, "<=", 0.0)


def main() -> None:
    """Compute the rows that are missing."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--only", nargs="*", default=NAMES, choices=NAMES, metavar="ROW", help=", ".join(NAMES)
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    options = parser.parse_args()
    one_thread()
    result = Result("little_data", quick=options.quick)
    todo: list[dict[str, Any]] = [
        {"row": row, "seed": seed, "device": options.device}
        for seed in (options.seeds[:1] if options.quick else options.seeds)
        for row in options.only
        if row != "real" or seed == SEEDS[0]
    ]
    compute(
        result, partial(train, quick=options.quick), [] if options.report else todo, options.jobs
    )
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
