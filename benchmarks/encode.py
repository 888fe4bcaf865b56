"""Measure MNIST codes of adversarial and variational autoencoders, of BiGAN and of InfoGAN.

A row is one training run, with seeds 0 to 2, on the 60,000 training images: batch 64, networks of
width 16 (a DCGAN generator, an encoder that mirrors it, critics of the same width), nsgan, Adam at
1e-3, and the moving average of the model's weights. Its budget is CPU time of the training process
on one thread, without the measurements: 100 s for a posterior, 200 s for a probe, 300 s for
InfoGAN; all rows take 85 minutes. With `--device cuda` a row has 20,000 learner steps.

Posteriors (latent 2 and 8). 10,000 codes of the test images, drawn from q(z | x), are compared with
10,000 draws of the prior: the squared MMD (rbf mixture, bandwidths from the prior), holes (share of
the prior's mass in no ball that reaches from a code to its third nearest other code), strays (the
same with codes and prior exchanged), and the mean squared error per pixel of the reconstructions,
with pixels in [-1, 1]. Rows named `draws` replace the codes by draws of the prior: the floor.
`nearer` is how often a decoded draw of the prior is nearer to a training image, pixel by pixel,
than a test image is (1,000 of each): 0.5 is chance, more means copies; smooth samples are near to
many images. `told` is the share of test images whose code is in the component of their class, if
the prior is a mixture; without labels it is at chance.

Probes (latent 32). A logistic regression is trained on 5,000 labelled training images, once on the
codes and once on the last hidden layer of the frozen encoder; its accuracy is that on the 10,000
test images. BiGAN and the autoencoder have the same encoder and the same time. `untrained` is that
encoder at initialisation. In the paper (Donahue et al. 2017, table 1) autoencoders are slightly
ahead on MNIST.

InfoGAN (ten classes, two continuous codes). The mutual information, in nats, of the class that the
Q network predicts with the digit on the test images is at most log 10 = 2.303. Labels are used for
this number only.

Settings were chosen on the last 5,000 training images, 40 to 60 s a trial, seed 0: the rate by
BiGAN; the weight of the reconstruction for VAE as 1 over its own squared error, which is the
variance of largest likelihood (5.6 and 12.7), and for AAE among 0.02, 0.1 and 1 at latent 2.
VAE-GAN uses VAE's weight.
"""

import math
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from images import Budget, Watch
from torch import Tensor

from advlearn.core.files import atomic_write
from advlearn.core.finite import NonFiniteError
from advlearn.data import ArrayDataset, load
from advlearn.data.priors import prior
from advlearn.fitting import fit
from advlearn.metrics import features
from advlearn.metrics.memorisation import memorisation
from advlearn.metrics.posterior import mutual_information, posterior_report
from advlearn.plots import before_after, image_table
from advlearn.run import Run
from advlearn.tasks.disentangle import Disentangle
from advlearn.tasks.representation import Representation
from advlearn.training.rng import isolated

BATCH, LR, GPU_STEPS, SEEDS = 64, 1e-3, 20_000, (0, 1, 2)
LABELLED, DRAWN = 5_000, 1_000
# Name of a row to its spec, or to the latent size and the prior of a row that only draws from it.
POSTERIORS: dict[str, str | tuple[int, str]] = {
    "draws, 2": (2, "gaussian"),
    "vae, 2": "vae(latent=2, reconstruction=5.6, base_channels=16)",
    "vae-gan, 2": "vae-gan(latent=2, reconstruction=5.6, base_channels=16)",
    "aae, 2": "aae(latent=2, base_channels=16)",
    "draws, 8": (8, "gaussian"),
    "vae, 8": "vae(latent=8, reconstruction=12.7, base_channels=16)",
    "vae-gan, 8": "vae-gan(latent=8, reconstruction=12.7, base_channels=16)",
    "aae, 8": "aae(latent=8, base_channels=16)",
    "draws, mixture": (2, "mixture"),
    "aae, mixture": "aae(latent=2, prior='mixture', base_channels=16)",
    "aae, mixture by label": "aae(latent=2, prior='mixture', labels=True, base_channels=16)",
}
PROBES = {
    "autoencoder": "autoencoder(latent=32, base_channels=16)",
    "bigan": "bigan(latent=32, base_channels=16)",
    "bigbigan": "bigbigan(latent=32, base_channels=16)",
    "untrained": "",
}
CODES = {"infogan": "disentangle(codes=(10,), continuous=2, base_channels=16)"}
SECONDS = {
    **dict.fromkeys(POSTERIORS, 100.0),
    **dict.fromkeys(PROBES, 200.0),
    **dict.fromkeys(CODES, 300.0),
}
NAMES = (*POSTERIORS, *PROBES, *CODES)
COLUMNS = [
    "row",
    "seed",
    "device",
    "steps",
    "mmd",
    "holes",
    "strays",
    "mse",
    "nearer",
    "told",
    "codes",
    "features",
    "nats",
]


@cache
def parts(quick: bool) -> tuple[ArrayDataset, ArrayDataset]:
    """Return the training and test images."""
    train, test = cast(ArrayDataset, load("mnist")), cast(ArrayDataset, load("mnist-test"))
    if quick:
        return tuple(
            ArrayDataset(s.x[:200], cast(Tensor, s.y)[:200], "mnist", 10) for s in (train, test)
        )  # type: ignore
    return train, test


def trained(name: str, spec: str, seed: int, device: str, quick: bool) -> tuple[Run, Row]:
    """Return a run within its budget, with its steps and CPU time."""
    watch, steps = (Budget(SECONDS[name]), 10**6) if device == "cpu" else (Watch(), GPU_STEPS)
    settings: dict[str, Any] = {"batch_size": BATCH, "lr": LR, "seed": seed, "device": device}
    run = fit(
        spec, "nsgan", parts(quick)[0], steps=3 if quick else steps, callbacks=[watch], **settings
    )
    steps_made = run.trainer.step if run.trainer else 0
    return run, {"steps": steps_made, "cpu_seconds": round(watch.spent, 1)}


def compared(codes: Tensor, drawn: Tensor) -> Row:
    """Return the comparison of codes with the prior."""
    return {name: float(value) for name, value in posterior_report(codes, drawn)._asdict().items()}


def posterior(name: str, seed: int, device: str, quick: bool) -> Row:
    """Return a row of `POSTERIORS`."""
    train, test = parts(quick)
    given = POSTERIORS[name]
    n = len(test)
    if isinstance(given, tuple):
        law = prior(given[1], given[0])
        with isolated(seed):
            return {"steps": 0, **compared(law.draw(n, test.x), law.draw(n, test.x))}
    run, row = trained(name, given, seed, device, quick)
    model = cast(Representation, run.ema_model)
    with isolated(seed):
        codes, drawn = model.draw_codes(test.x).cpu(), model.law.draw(n, test.x)
        samples = model.sample(20 if quick else DRAWN).cpu()
    error = float((model.reconstruct(test.x).cpu() - test.x).square().mean())
    near = memorisation(samples.flatten(1), train.x.flatten(1), test.x[: len(samples)].flatten(1))
    row |= {**compared(codes, drawn), "mse": error, "nearer": float(near.nearer)}
    if model.law.components:
        # The nearest component to a code, which is a sector of the circle.
        sector = 2 * math.pi / model.law.components
        component = (
            torch.atan2(codes[:, 1], codes[:, 0]) / sector
        ).round().long() % model.law.components
        row["told"] = float((component == test.y).double().mean())
    if not quick and seed == SEEDS[0]:
        picture_file = shown_at(name, device)
        if model.latent == 2:
            scatter(codes, cast(Tensor, test.y), drawn, name, picture_file)
        else:
            pairs(model, test.x[:10], picture_file)
    return row


def probe(name: str, seed: int, device: str, quick: bool) -> Row:
    """Return a row of `PROBES`."""
    if name == "untrained":
        with isolated(seed):
            model, row = Representation.from_data(parts(quick)[0], base_channels=16), {"steps": 0}
    else:
        run, row = trained(name, PROBES[name], seed, device, quick)
        model = cast(Representation, run.ema_model)
    net = cast(Any, model.encoder).features
    row |= {
        "codes": probed(model.encode, quick),
        "features": probed(partial(features, net), quick),
    }
    if not quick and seed == SEEDS[0] and name != "untrained":
        pairs(model, parts(quick)[1].x[:10], shown_at(name, device))
    return row


def probed(represent: Callable[[Tensor], Tensor], quick: bool) -> float:
    """Return the test accuracy of a logistic regression on what `represent` returns."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x, y), (other, truth) = ((s.x, cast(Tensor, s.y)) for s in parts(quick))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-3))
    model.fit(represent(x[:LABELLED]).cpu().numpy(), y[:LABELLED].numpy())
    return float(model.score(represent(other).cpu().numpy(), truth.numpy()))


def recognised(name: str, seed: int, device: str, quick: bool) -> Row:
    """Return a row of `CODES`."""
    run, row = trained(name, CODES[name], seed, device, quick)
    model, (_, test) = cast(Disentangle, run.ema_model), parts(quick)
    found = model.codes(test.x).discrete[0].exp().cpu()
    if not quick and seed == SEEDS[0]:
        with isolated(seed):
            for code, picture in enumerate((name, f"{name}-1", f"{name}-2")):
                image_table(model.traverse(code).cpu(), shown_at(picture, device))
    return {**row, "nats": float(mutual_information(found, cast(Tensor, test.y)))}


def work(row: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row of any kind."""
    key = {"row": row, "seed": seed, "device": device}
    measure = posterior if row in POSTERIORS else probe if row in PROBES else recognised
    try:
        return {**key, **measure(row, seed, device, quick)}
    except NonFiniteError as error:
        return {**key, "health": str(error)}


def shown_at(name: str, device: str) -> Path:
    """Return the file of a row's picture."""
    suffix = "" if device == "cpu" else f"-{device}"
    return RESULTS / "encode" / f"{name.replace(', ', '-').replace(' ', '-')}{suffix}.png"


def scatter(codes: Tensor, y: Tensor, drawn: Tensor, name: str, path: Any) -> None:
    """Plot the codes of the test images by class, over draws of the prior."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(*drawn.T, s=2, linewidths=0, color="0.8")
    points = axes.scatter(*codes.T, s=2, linewidths=0, c=y, cmap="tab10", vmin=-0.5, vmax=9.5)
    figure.colorbar(points, ticks=range(10), shrink=0.7)
    axes.set_title(f"{name}: codes of the test images, prior in grey", fontsize=9)
    axes.set_aspect("equal")
    with atomic_write(path) as file:
        figure.savefig(file, format="png", dpi=100)


def pairs(model: Representation, x: Tensor, path: Any) -> None:
    """Plot test images, their reconstructions, and draws of the prior."""
    with isolated(0):
        drawn = model.sample(len(x)).cpu()
    before_after({"image": x, "back again": model.reconstruct(x).cpu(), "drawn": drawn}, path)


def bars(result: Result) -> None:
    """Return the required bars of each device."""
    for device in sorted({r["device"] for r in result.rows}):
        suffix = "" if device == "cpu" else f", {device}"
        bars_of(result, [r for r in result.rows if r["device"] == device], suffix)


def bars_of(result: Result, rows: list[Row], suffix: str) -> None:
    """Return the bars of one device, on the median of the seeds."""

    def of(row: str, figure: str) -> dict[int, float]:
        return {r["seed"]: r[figure] for r in rows if r["row"] == row and figure in r}

    def middle(row: str, figure: str) -> float | None:
        values = of(row, figure).values()
        return median(values) if values else None

    def less(one: str, other: str, figure: str) -> float | None:
        """Return the median difference of two rows, over the seeds that both have."""
        first, second = of(one, figure), of(other, figure)
        both = first.keys() & second.keys()
        return median(first[s] for s in both) - median(second[s] for s in both) if both else None

    for latent in (2, 8):
        for figure in ("mmd", "holes", "strays", "mse"):
            between = less(f"aae, {latent}", f"vae, {latent}", figure)
            if between is not None:
                result.bar(
                    f"latent {latent}: {figure} of AAE less that of VAE{suffix}", between, "<=", 0.0
                )
    found = middle("aae, mixture", "mmd")
    if found is not None:
        result.bar(f"ten-component mixture: MMD of AAE{suffix}", found, "<=", 0.01)
    told = middle("aae, mixture by label", "told")
    if told is not None:
        result.bar(
            f"ten-component mixture by label: test images in their class's component{suffix}",
            told,
            ">=",
            0.9,
        )
    between = less("bigan", "autoencoder", "features")
    if between is not None:
        result.bar(f"probe: BiGAN's features less the autoencoder's{suffix}", between, ">=", 0.0)
    information = middle("infogan", "nats")
    if information is not None:
        result.bar(f"InfoGAN: information with the digit, nats{suffix}", information, ">=", 1.15)


def main() -> None:
    """Compute the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--only", nargs="*", default=NAMES, choices=NAMES, metavar="ROW", help=", ".join(NAMES)
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    options = parser.parse_args()
    one_thread()
    result = Result("encode", quick=options.quick)
    seeds = options.seeds[:1] if options.quick else options.seeds
    todo: list[dict[str, Any]] = [
        {"row": row, "seed": seed, "device": options.device}
        for seed in seeds
        for row in options.only
    ]
    compute(
        result, partial(work, quick=options.quick), [] if options.report else todo, options.jobs
    )
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
