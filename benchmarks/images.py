"""Train DCGAN on MNIST and Fashion-MNIST with seven objectives, ten minutes of one CPU core each.

A row is one training run, seed 0, with the same generator and critic (DCGAN, width 16, no norm in
the critic; BEGAN's autoencoder of the same width; IMLE compares pixels and trains no critic), batch
64, and samples of the model's moving average. Its budget is 600 s of CPU time of the training
process on one thread, without the classifier and the measurements. The row has the number of
learner steps made in it. This number is estimated again every 20 steps from the time so far, so
that a learning-rate schedule ends when the budget does. With `--device cuda` a row has 20,000
learner steps.

Frechet distance, precision and recall (k = 3), density and coverage (k = 5) compare 10,000 samples
with the 10,000 test images in the 128 features before the last layer of a small convolutional
classifier, which this file trains on the training images. Rows named `real` compare 10,000 training
images with the test images: the floor.

Every objective has the settings of its name, which are its paper's, except for one learning rate,
1e-3: the papers' rates are for runs of many hours. It was chosen against DCGAN's 2e-4 on nsgan, 60
s each, by the Frechet distance to 5,000 training images; no test image was used.
"""

import time
from functools import cache, partial
from typing import Any

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from judge import teach
from torch import Tensor, nn

from advlearn.core.grammar import resolve
from advlearn.core.trainer import Callback, NonFiniteError, Trainer
from advlearn.critics import Inputs, propose
from advlearn.data import ArrayDataset, Batches, load
from advlearn.fitting import fit
from advlearn.metrics import density_coverage, features, frechet_distance, precision_recall
from advlearn.nets import DCGANGenerator
from advlearn.tasks.generate import Generate
from advlearn.training.rng import isolated
from advlearn.training.samples import save_image_grid

SHAPE, LATENT, WIDTH, BATCH = (1, 28, 28), 64, 16, 64
SECONDS, GPU_STEPS, SAMPLES, EPOCHS = 600.0, 20_000, 10_000, 4
LR = 1e-3
OBJECTIVES = ("nsgan", "wgan-gp", "sngan", "r3gan", "mmd-gan", "began", "imle")
ACCURACY = {"mnist": 0.985, "fashion-mnist": 0.89}
COLUMNS = [
    "data",
    "objective",
    "device",
    "steps",
    "cpu_seconds",
    "frechet",
    "precision",
    "recall",
    "density",
    "coverage",
    "health",
]


class Budget(Callback):
    """End a run after a given CPU time of this process, and set its number of steps."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.spent = 0.0
        self._started = 0.0

    def on_start(self, trainer: Trainer) -> None:
        self._started = time.process_time()

    def on_step(self, trainer: Trainer) -> None:
        self.spent = time.process_time() - self._started
        if self.spent >= self.seconds:
            trainer.stop_reason = f"{self.seconds:g} s of CPU time are spent"
        elif trainer.step % 20 == 0:
            trainer.steps = trainer.step + max(
                1, round(trainer.step * (self.seconds / self.spent - 1))
            )


class Watch(Callback):
    """Record the CPU time of a run without a budget."""

    def __init__(self) -> None:
        self.spent = 0.0

    def on_start(self, trainer: Trainer) -> None:
        self._started = time.process_time()

    def on_end(self, trainer: Trainer) -> None:
        self.spent = time.process_time() - self._started


@cache
def parts(data: str, quick: bool) -> tuple[ArrayDataset, ArrayDataset]:
    """Return the training and test images."""
    train, test = load(data), load(f"{data}-test")
    if quick and train.y is not None and test.y is not None:
        return ArrayDataset(train.x[:100], train.y[:100], data, 10), ArrayDataset(
            test.x[:20], test.y[:20], data, 10
        )
    return train, test


@cache
def classifier(data: str, quick: bool) -> tuple[nn.Sequential, float]:
    """Return a small convolutional classifier of the training images, and its test accuracy."""
    train, test = parts(data, quick)
    with isolated(0):
        net = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(
                nn.Flatten(),
                nn.Dropout(0.25),
                nn.Linear(32 * 7 * 7, 128),
                nn.ReLU(),
                nn.Linear(128, 10),
            ),
        )
        stream = Batches(train, 100)
        steps = max(2, (not quick) * EPOCHS * stream.per_epoch)
        teach(net, stream, steps)
    guess = features(net, test.x).argmax(1)
    return net, float((guess == test.y).double().mean())


def figures(data: str, images: Tensor, quick: bool) -> Row:
    """Compare images with the test images in the classifier's features."""
    net, accuracy = classifier(data, quick)
    _, test = parts(data, quick)
    real, fake = (features(net[:-1], x) for x in (test.x, images))
    precision, recall = precision_recall(real, fake)
    density, coverage = density_coverage(real, fake)
    named = {"precision": precision, "recall": recall, "density": density, "coverage": coverage}
    values = {"frechet": frechet_distance(real, fake), **named}
    return {**{name: float(value) for name, value in values.items()}, "classifier": accuracy}


def train(objective: str, data: str, device: str, quick: bool) -> Row:
    """Return one row: train within the budget, draw samples and measure them."""
    source, _ = parts(data, quick)
    key = {"data": data, "objective": objective, "device": device}
    if objective == "real":
        real_images = source.x[: 20 if quick else SAMPLES]
        return {
            **key,
            "steps": 0,
            "cpu_seconds": 0.0,
            **figures(data, real_images, quick),
            "health": "",
        }
    with isolated(0):
        critic = propose(Inputs((SHAPE,)), resolve(objective), base_channels=WIDTH)
        task = Generate(DCGANGenerator(LATENT, SHAPE, WIDTH), latent=LATENT, shape=SHAPE)
    watch, steps = (Budget(SECONDS), 10**6) if device == "cpu" else (Watch(), GPU_STEPS)
    done = {**key, "spec": repr(resolve(objective)), "seed": 0}
    try:
        run = fit(
            task,
            objective,
            source,
            steps=3 if quick else steps,
            batch_size=8 if quick else BATCH,
            lr=LR,
            device=device,
            callbacks=[watch],
            critic=critic,
        )
    except NonFiniteError as error:
        return {**done, "health": str(error)}
    n = 20 if quick else 100
    samples = torch.cat([run.sample(n, seed=k).cpu() for k in range(1 if quick else SAMPLES // n)])
    if not quick:
        suffix = "" if device == "cpu" else f"-{device}"
        save_image_grid(samples[:64], RESULTS / "images" / f"{data}-{objective}{suffix}.png")
    done |= {"steps": run.trainer.step if run.trainer else 0, "cpu_seconds": round(watch.spent, 1)}
    return {**done, **figures(data, samples, quick), "health": run.health()["data"].verdict}


def main() -> None:
    """Train and measure the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--only", nargs="*", default=["real", *OBJECTIVES], help="objectives")
    parser.add_argument("--data", nargs="*", default=list(ACCURACY), help="mnist, fashion-mnist")
    options = parser.parse_args()
    one_thread()
    result = Result("images", quick=options.quick)
    todo: list[dict[str, Any]] = [
        {"data": data, "objective": name, "device": options.device}
        for data in (options.data[:1] if options.quick else options.data)
        for name in options.only
    ]
    compute(
        result, partial(train, quick=options.quick), [] if options.report else todo, options.jobs
    )
    for data in ACCURACY:
        for row in [r for r in result.rows if r["data"] == data and "classifier" in r][:1]:
            result.bar(f"classifier, {data}", row["classifier"], ">=", ACCURACY[data])
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
