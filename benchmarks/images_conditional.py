"""Architectures on Fashion-MNIST and CIFAR-10: each addition against the same networks without it, at equal cost.

A row is one training run: 160 s of CPU time of the training process on one thread, batch 32, width
16 (R3GAN: 8), 64 latents, samples of the player's moving average. All rows cost 90 minutes of one
core; those of one part alone and GRAN's and LAPGAN's are of Fashion-MNIST only. With `--device
cuda` a row is 20,000 player steps of batch 64 and width 64 whatever their time, there are three
seeds, and all rows are of both data sets: 126 runs. How many steps and how much time a row took is
in it.

One learning rate, 1e-3, for all, and tuned for none but sngan: in 40 s of it, on one seed and at
another width, its Frechet distance to 5,000 training images of Fashion-MNIST was 152, and 172 at
4e-4; no test image took part.

`without` names the rows that a row adds something to; its worth is the ratio of their Frechet
distances, means over the seeds, and infinite where it diverged itself (a name says who did):
  dcgan                 projection and class embedding, to DCGAN without classes dcgan, class
  concatenated     the class as a plane beside the image (CGAN), to DCGAN without classes dcgan,
  class predicted        a classifier beside the critic (AC-GAN), to DCGAN without classes sngan
  projection and conditional batch norm, to SNGAN's residual networks without classes;
                        spectral norm of the critic, to the hinge loss alone
  sagan                 self-attention and spectral norm of the generator, to sngan; each of them,
  to sagan without it biggan                hierarchical latents, orthogonal start and term, to
  sagan; hierarchical latents, to the same
                        network with z in its first layer alone; the term, to none
  progan                growing, to the same networks at full size from the start stylegan
  styles and noise, to those as well (their critic is the same); mixing of styles, to none r3gan
  R3GAN's networks, to DCGAN's with R3GAN's loss (at equal time, so with more steps) gran, lapgan
  drawing in three steps, a Laplacian pyramid of games, to dcgan

Frechet distance, precision and recall (k = 3) compare 10,000 samples with the 10,000 test images in
the 128 features before the last layer of a small convolutional classifier, which this file trains
on the training images. `accuracy` is the share of conditional samples that it gives the class they
were asked for. Rows named `real` compare 10,000 training images with the test images. CIFAR-10 is a
copy re-encoded as JPEG, so slightly lossy: no number of it compares with published ones, and none
does that is not in Inception's features.
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
    """What a row trains, and the rows it adds something to; `nets` is a family, or a name of `VARIANTS`."""

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
    """Training and test images."""
    train, test = load(data), load(f"{data}-test")
    return (some(train, 300), some(test, 100)) if quick else (train, test)


def some(source: ArrayDataset, n: int) -> ArrayDataset:
    """So many images, whatever order they lie in: CIFAR-10's lie by class."""
    rows = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))[:n]
    return ArrayDataset(
        source.x[rows], None if source.y is None else source.y[rows], source.name, source.classes
    )


@cache
def classifier(data: str, quick: bool) -> tuple[nn.Sequential, float]:
    """A small convolutional classifier of the training images, and its accuracy on the test images."""
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


def figures(data: str, images: Tensor, asked: Tensor | None, quick: bool) -> Row:
    """How images compare with the test images in the classifier's features, and whether they are what was asked for."""
    net, accuracy = classifier(data, quick)
    _, test = parts(data, quick)
    real, fake = (features(net[:-1], x) for x in (test.x, images))
    precision, recall = precision_recall(real, fake)
    values = {"frechet": frechet_distance(real, fake), "precision": precision, "recall": recall}
    if asked is not None:
        values["accuracy"] = (net[-1](fake).argmax(1) == asked).double().mean()
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
    """One row: train within the budget, draw samples, measure them."""
    source, _ = parts(data, quick)
    key = {"data": data, "name": name, "seed": seed, "device": device}
    if name == "real":
        shown = some(source, 100 if quick else SAMPLES)
        return {
            **key,
            "steps": 0,
            "cpu_seconds": 0.0,
            **figures(data, shown.x, shown.y, quick),
            "health": "",
        }
    case = CASES[name]
    width = case.width if device == "cpu" else 64
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
            batch_size=BATCH[device],
            callbacks=callbacks,
            critic=critic,
            **settings,
        )
    except NonFiniteError as error:
        return {**done, "health": str(error)}
    samples = torch.cat(
        [run.sample(100, seed=k).cpu() for k in range(1 if quick else SAMPLES // 100)]
    )
    asked = torch.arange(len(samples)) % 10 if case.conditional else None
    done |= {"steps": run.trainer.step if run.trainer else 0, "cpu_seconds": round(watch.spent, 1)}
    if not samples.isfinite().all():
        return {**done, "health": "samples are not finite"}
    if not quick:
        file = f"{data}-{name.replace(',', '').replace(chr(39), '').replace(' ', '-')}-{device}-{seed}.png"
        save_image_grid(samples[:100], RESULTS / "images_conditional" / file)
    health = "; ".join(critic.verdict for critic in run.health().values())
    return {**done, **figures(data, samples, asked, quick), "health": health}


def worth(rows: list[Row]) -> list[tuple[str, float]]:
    """What each addition makes of the Frechet distance: the ratio to the row without it, of means over the seeds."""
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
    """The bar of one addition; a run that diverged is infinitely far off, and is named."""
    diverged = [who for who, reached in ((name, value), (base, other)) if not isfinite(reached)]
    title += f", diverged: {' and '.join(diverged)}" if diverged else ""
    return title, value / other if isfinite(value) else inf


def main() -> None:
    """Train and measure the rows that are missing."""
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
