"""Compare each addition to an architecture with the same networks without it, at equal cost.

A row is one training run on Fashion-MNIST or CIFAR-10: 160 s of CPU time of the training process on
one thread, batch 32, width 16 (R3GAN: 8), 64 latents, and samples of the model's moving average.
All rows take 90 minutes of one core; ablations of one part, GRAN and LAPGAN are on Fashion-MNIST
only. With `--device cuda` a row has 20,000 learner steps of batch 64 and width 64, there are three
seeds, and all rows are on both data sets: 126 runs. A row has its number of steps and its time.

All rows use one learning rate, 1e-3, which was tuned for sngan only: in 40 s, on one seed and at
another width, its Frechet distance to 5,000 training images of Fashion-MNIST was 152, and 172 at
4e-4; no test image was used.

`without` names the rows that a row adds something to. The worth of the addition is the ratio of
their Frechet distances, means over the seeds. It is infinite if the run with it diverged (the name
of the bar states which runs diverged):

- dcgan: projection and class embedding, compared with DCGAN without classes.
- dcgan, class concatenated: the class as a channel of the image (CGAN), compared with the same.
- dcgan, class predicted: a classifier on the critic (AC-GAN), compared with the same.
- sngan: projection and conditional batch norm, compared with SNGAN's networks without classes;
  spectral norm of the critic, compared with the hinge loss only.
- sagan: self-attention and spectral norm of the generator, compared with sngan; each of them,
  compared with sagan without it.
- biggan: hierarchical latents, orthogonal initialisation and regularization, compared with sagan;
  hierarchical latents, compared with z in the first layer only; the regularization, with none.
- progan: growing, compared with the same networks at full size from the start.
- stylegan: styles and noise, compared with the same networks (their critic is the same); style
  mixing, compared with none.
- r3gan: R3GAN's networks, compared with DCGAN's with R3GAN's loss, in equal time and so with fewer
  steps.
- gran, lapgan: drawing in three steps, and a Laplacian pyramid of generators, compared with dcgan.

Frechet distance, precision and recall (k = 3) compare 10,000 samples with the 10,000 test images in
the 128 features before the last layer of a small convolutional classifier, which this file trains
on the training images. `accuracy` is the share of conditional samples that it assigns to their
requested class. Rows named `real` compare 10,000 training images with the test images. CIFAR-10 is
a copy re-encoded as JPEG, so slightly lossy. The numbers cannot be compared with published ones,
which use Inception's features.
"""

from functools import cache, partial
from itertools import pairwise
from math import inf, isfinite
from typing import Any, NamedTuple

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from images import Budget, Watch
from judge import teach
from torch import Tensor, nn
from variants import LATENT, VARIANTS

from advlearn.core.finite import NonFiniteError
from advlearn.core.task import Task
from advlearn.data import ArrayDataset, Batches, load
from advlearn.fitting import fit
from advlearn.metrics import features, frechet_distance, precision_recall
from advlearn.tasks.generate import Generate
from advlearn.training.progressive_growing import ProgressiveGrowing
from advlearn.training.rng import isolated
from advlearn.training.samples import save_image_grid

SAMPLES, EPOCHS = 10_000, 3
SECONDS, GPU_STEPS = 160.0, 20_000
BATCH = {"cpu": 32, "cuda": 64}
SEEDS = {"cpu": (0,), "cuda": (0, 1, 2)}
ACCURACY = {"fashion-mnist": 0.89, "cifar10": 0.7}
COLUMNS = [
    "data",
    "name",
    "seed",
    "steps",
    "cpu_seconds",
    "frechet",
    "precision",
    "recall",
    "accuracy",
    "health",
]


class Case(NamedTuple):
    """Describe what a row trains, and the rows that it adds something to.

    `nets` is an architecture, or a name of `VARIANTS`.
    """

    nets: str
    objective: str
    without: tuple[str, ...] = ()
    conditional: bool = True
    grows: bool = False
    width: int = 16
    lr: float = 1e-3
    task: str = "generate"
    everywhere: bool = True


HINGE, SMOOTH = "hinge + spectral_norm", "nsgan + r1(weight=1)"
CASES = {
    "dcgan unconditional": Case("dcgan", "nsgan", conditional=False),
    "dcgan": Case("dcgan", "nsgan", ("dcgan unconditional",)),
    "sngan unconditional": Case("sngan", HINGE, conditional=False),
    "sngan": Case("sngan", HINGE, ("sngan unconditional", "sngan without spectral norm")),
    "sagan": Case(
        "sagan",
        HINGE,
        ("sngan", "sagan without attention", "sagan without generator's spectral norm"),
    ),
    "biggan": Case(
        "biggan", HINGE, ("sagan", "biggan without hierarchy", "biggan without orthogonal term")
    ),
    "progan at once": Case("progan", SMOOTH),
    "progan": Case("progan", SMOOTH, ("progan at once",), grows=True),
    "stylegan": Case("stylegan", SMOOTH, ("progan at once", "stylegan without mixing")),
    "dcgan, r3gan's loss": Case("dcgan", "r3gan"),
    "r3gan": Case("r3gan", "r3gan", ("dcgan, r3gan's loss",), width=8),
    "sngan without spectral norm": Case("sngan", "hinge", everywhere=False),
    **{
        name: Case(name, HINGE, everywhere=False)
        for name in VARIANTS
        if name.startswith(("sagan", "biggan"))
    },
    "stylegan without mixing": Case("stylegan without mixing", SMOOTH, everywhere=False),
    "dcgan, class concatenated": Case(
        "dcgan, class concatenated", "nsgan", ("dcgan unconditional",), everywhere=False
    ),
    "dcgan, class predicted": Case(
        "dcgan", "nsgan", ("dcgan unconditional",), task="ac_gan", everywhere=False
    ),
    "gran": Case("gran", "nsgan", ("dcgan",), everywhere=False),
    "lapgan": Case("lapgan", "nsgan", ("dcgan",), task="laplacian_pyramid", everywhere=False),
}


@cache
def parts(data: str, quick: bool) -> tuple[ArrayDataset, ArrayDataset]:
    """Return the training and test images."""
    train, test = load(data), load(f"{data}-test")
    return (some(train, 100), some(test, 20)) if quick else (train, test)


def some(source: ArrayDataset, n: int) -> ArrayDataset:
    """Return n images in a random order, since CIFAR-10 is sorted by class."""
    rows = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))[:n]
    return ArrayDataset(
        source.x[rows], None if source.y is None else source.y[rows], source.name, source.classes
    )


@cache
def classifier(data: str, quick: bool) -> tuple[nn.Sequential, float]:
    """Return a small convolutional classifier of the training images, and its test accuracy."""
    train, test = parts(data, quick)
    channels, side = [train.shape[0], 16, 32, 64], train.shape[1]
    with isolated(0):
        layers: list[nn.Module] = []
        for before, after in pairwise(channels):
            layers += [
                nn.Conv2d(before, after, 3, padding=1),
                nn.MaxPool2d(2),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        places = (side // 8) ** 2
        head = [
            nn.Flatten(),
            nn.Dropout(0.25),
            nn.Linear(64 * places, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        ]
        net = nn.Sequential(*layers, *head)
        stream = Batches(train, 100)
        steps = max(2, (not quick) * EPOCHS * stream.per_epoch)
        teach(net, stream, steps)
    guess = features(net, test.x).argmax(1)
    return net, float((guess == test.y).double().mean())


def figures(data: str, images: Tensor, requested: Tensor | None, quick: bool) -> Row:
    """Compare images with the test images in the classifier's features, and with their classes."""
    net, accuracy = classifier(data, quick)
    _, test = parts(data, quick)
    real, fake = (features(net[:-1], x) for x in (test.x, images))
    precision, recall = precision_recall(real, fake)
    values = {"frechet": frechet_distance(real, fake), "precision": precision, "recall": recall}
    if requested is not None:
        values["accuracy"] = (net[-1](fake).argmax(1) == requested).double().mean()
    return {**{name: float(value) for name, value in values.items()}, "classifier": accuracy}


def game(
    case: Case, shape: tuple[int, ...], width: int, seed: int
) -> tuple[str | Task, nn.Module | None]:
    """Return what `fit` takes: a spec, or a task of networks that no spec names, and its critic."""
    if case.nets in VARIANTS:
        with isolated(seed):
            generator, critic = VARIANTS[case.nets](shape, width)
            return Generate(generator, latent=LATENT, shape=shape, classes=10), critic
    nets = "" if case.task == "laplacian_pyramid" else f", architecture={case.nets!r}"
    labels = "" if case.task == "ac_gan" else f"conditional={case.conditional}, "
    return f"{case.task}({labels}latent={LATENT}{nets}, base_channels={width})", None


def train(name: str, data: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row: train within the budget, draw samples and measure them."""
    source, _ = parts(data, quick)
    key = {"data": data, "name": name, "seed": seed, "device": device}
    if name == "real":
        real_images = some(source, 20 if quick else SAMPLES)
        return {
            **key,
            "steps": 0,
            "cpu_seconds": 0.0,
            **figures(data, real_images.x, real_images.y, quick),
            "health": "",
        }
    case = CASES[name]
    width = 4 if quick else case.width if device == "cpu" else 64
    task, critic = game(case, source.shape, width, seed)
    watch, steps = (Budget(SECONDS), 10**6) if device == "cpu" else (Watch(), GPU_STEPS)
    told = task if isinstance(task, str) else f"{case.nets}, latent={LATENT}, base_channels={width}"
    done = {**key, "task": told, "spec": case.objective, "lr": case.lr, "without": case.without}
    settings = {"seed": seed, "device": device, "steps": 3 if quick else steps, "lr": case.lr}
    callbacks = [watch, ProgressiveGrowing()] if case.grows else [watch]
    try:
        run = fit(
            task,
            case.objective,
            source,
            batch_size=4 if quick else BATCH[device],
            callbacks=callbacks,
            critic=critic,
            **settings,
        )
    except NonFiniteError as error:
        return {**done, "health": str(error)}
    n = 20 if quick else 100
    samples = torch.cat([run.sample(n, seed=k).cpu() for k in range(1 if quick else SAMPLES // n)])
    requested = torch.arange(len(samples)) % 10 if case.conditional else None
    done |= {"steps": run.trainer.step if run.trainer else 0, "cpu_seconds": round(watch.spent, 1)}
    if not samples.isfinite().all():
        return {**done, "health": "samples are not finite"}
    if not quick:
        plain_name = name.replace(",", "").replace("'", "").replace(" ", "-")
        file = f"{data}-{plain_name}-{device}-{seed}.png"
        save_image_grid(samples[:100], RESULTS / "images_conditional" / file)
    health = "; ".join(critic.verdict for critic in run.health().values())
    return {**done, **figures(data, samples, requested, quick), "health": health}


def worth(rows: list[Row]) -> list[tuple[str, float]]:
    """Return the worth of each addition: its mean Frechet distance over that without it."""
    found: dict[tuple[str, str, str], list[float]] = {}
    for row in rows:
        found.setdefault((row["device"], row["data"], row["name"]), []).append(
            row.get("frechet", inf)
        )
    mean = {key: sum(values) / len(values) for key, values in found.items()}
    return [
        ratio(
            f"worth of {name} over {base}, {data}, {device}",
            value,
            mean[device, data, base],
            name,
            base,
        )
        for (device, data, name), value in mean.items()
        for base in (CASES[name].without if name in CASES else ())
        if (device, data, base) in mean
    ]


def ratio(title: str, value: float, other: float, name: str, base: str) -> tuple[str, float]:
    """Return the name and the value of one bar; a run that diverged has an infinite distance."""
    diverged = [who for who, reached in ((name, value), (base, other)) if not isfinite(reached)]
    title += f", diverged: {' and '.join(diverged)}" if diverged else ""
    return title, value / other if isfinite(value) else inf


def main() -> None:
    """Train and measure the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--only", nargs="*", default=["real", *CASES], choices=["real", *CASES], help="rows"
    )
    parser.add_argument("--data", nargs="*", default=list(ACCURACY), help="fashion-mnist, cifar10")
    parser.add_argument("--seeds", nargs="*", type=int, help="by default 0, on cuda 0 1 2")
    options = parser.parse_args()
    one_thread()
    result = Result("images_conditional", quick=options.quick)
    todo: list[dict[str, Any]] = [
        {"data": data, "name": name, "seed": seed, "device": options.device}
        for data in (options.data[:1] if options.quick else options.data)
        for name in options.only
        if name == "real"
        or CASES[name].everywhere
        or data == "fashion-mnist"
        or options.device != "cpu"
        for seed in (
            options.seeds or SEEDS[options.device][: 1 if options.quick or name == "real" else None]
        )
    ]
    compute(
        result, partial(train, quick=options.quick), [] if options.report else todo, options.jobs
    )
    for data in ACCURACY:
        for row in [r for r in result.rows if r["data"] == data and "classifier" in r][:1]:
            result.bar(f"classifier, {data}", row["classifier"], ">=", ACCURACY[data])
    for name, value in worth(result.rows):
        result.bar(name, value, "<=", 1.0)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
