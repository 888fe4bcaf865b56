"""Codes of MNIST: adversarial autoencoders against variational ones, BiGAN's features, InfoGAN's codes; seeds 0 to 2.

A row is one training run on the 60,000 training images, batch 64, networks of width 16 (a DCGAN
generator, an encoder that is its mirror image, critics of the same width), nsgan, Adam at 1e-3,
weights of the player's moving average. Its budget is CPU time of the training process on one
thread, measuring not counted: 100 s for a posterior, 200 s for a probe, 300 s for InfoGAN; all rows
are 85 minutes. With `--device cuda` a row is 20,000 player steps whatever their time.

Posteriors (latent 2 and 8). 10,000 codes of the test images, drawn from q(z | x), against 10,000
draws of the prior: the squared MMD (rbf mixture, bandwidths from the prior), holes (share of the
prior's mass in no ball that reaches from a code to its third nearest other code), strays (the two
changing places), and the mean squared error per pixel of the reconstructions, pixels being in [-1,
1]. Rows named `draws` put draws of the prior in the codes' place: the floor. `nearer` is how often
a decoded draw of the prior is nearer to a training image, pixel by pixel, than a test image is
(1,000 of each): 0.5 is chance, more is copying; smooth samples are near to many images. `told` is
the share of test images whose code lies in the component of their class, where the prior is a
mixture; without labels it is luck.

Probes (latent 32). A logistic regression on 5,000 labelled training images, once on the codes and
once on the last hidden layer of the encoder, which is held fixed; accuracy on the 10,000 test
images. BiGAN and the autoencoder have the same encoder and the same seconds. `untrained` is that
encoder as it begins. The paper itself (Donahue et al. 2017, table 1) has autoencoders slightly
ahead on MNIST.

InfoGAN (ten classes, two continuous codes). Mutual information, in nats, of the recogniser's class
with the digit on the test images, of at most log 10 = 2.303; labels serve for this number alone.

Chosen on the last 5,000 training images, 40 to 60 s a trial, seed 0: the rate, by BiGAN; the weight
of the reconstruction, for VAE as 1 over its own squared error, which is the likelihood's best
variance (5.6 and 12.7), for AAE among 0.02, 0.1 and 1 at latent 2. VAE-GAN has VAE's.
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

from advlearn.core.trainer import NonFiniteError
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
from advlearn.training.files import replacing
from advlearn.training.rng import isolated

BATCH, LR, GPU_STEPS, SEEDS = 64, 1e-3, 20_000, (0, 1, 2)
LABELLED, DRAWN = 5_000, 1_000
# Row to its spec, or to the latent size and the prior of a row of draws alone.
POSTERIORS: dict[str, str | tuple[int, str]] = {
    "draws, 2": (2, "gaussian"),
    "vae, 2": "representation(compare=(), stochastic=True, kl=1.0, latent=2, reconstruction=5.6, base_channels=16)",
    "vae-gan, 2": "representation(compare='samples', stochastic=True, kl=1.0, latent=2, reconstruction=5.6, base_channels=16)",
    "aae, 2": "representation(compare='codes', reconstruction=0.1, latent=2, base_channels=16)",
    "draws, 8": (8, "gaussian"),
    "vae, 8": "representation(compare=(), stochastic=True, kl=1.0, latent=8, reconstruction=12.7, base_channels=16)",
    "vae-gan, 8": "representation(compare='samples', stochastic=True, kl=1.0, latent=8, reconstruction=12.7, base_channels=16)",
    "aae, 8": "representation(compare='codes', reconstruction=0.1, latent=8, base_channels=16)",
    "draws, mixture": (2, "mixture"),
    "aae, mixture": "representation(compare='codes', reconstruction=0.1, latent=2, prior='mixture', base_channels=16)",
    "aae, mixture by label": "representation(compare='codes', reconstruction=0.1, latent=2, prior='mixture', labels=True, base_channels=16)",
}
PROBES = {
    "autoencoder": "representation(compare=(), reconstruction=1.0, latent=32, base_channels=16)",
    "bigan": "representation(latent=32, base_channels=16)",
    "bigbigan": "representation(stochastic=True, marginal_terms=True, latent=32, base_channels=16)",
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
    """Training and test images."""
    train, test = cast(ArrayDataset, load("mnist")), cast(ArrayDataset, load("mnist-test"))
    if quick:
        return tuple(
            ArrayDataset(s.x[:200], cast(Tensor, s.y)[:200], "mnist", 10) for s in (train, test)
        )  # type: ignore
    return train, test


def trained(name: str, spec: str, seed: int, device: str, quick: bool) -> tuple[Run, Row]:
    """A run within its budget, and what it took."""
    watch, steps = (Budget(SECONDS[name]), 10**6) if device == "cpu" else (Watch(), GPU_STEPS)
    settings: dict[str, Any] = {"batch_size": BATCH, "lr": LR, "seed": seed, "device": device}
    run = fit(
        spec, "nsgan", parts(quick)[0], steps=3 if quick else steps, callbacks=[watch], **settings
    )
    made = run.trainer.step if run.trainer else 0
    return run, {"steps": made, "cpu_seconds": round(watch.spent, 1)}


def compared(codes: Tensor, drawn: Tensor) -> Row:
    """Codes against the prior."""
    return {name: float(value) for name, value in posterior_report(codes, drawn)._asdict().items()}


def posterior(name: str, seed: int, device: str, quick: bool) -> Row:
    """A row of `POSTERIORS`."""
    train, test = parts(quick)
    given = POSTERIORS[name]
    n = len(test)
    if isinstance(given, tuple):
        law = prior(given[1], given[0])
        with isolated(seed):
            return {"steps": 0, **compared(law.draw(n, test.x), law.draw(n, test.x))}
    run, row = trained(name, given, seed, device, quick)
    player = cast(Representation, run.ema_model)
    with isolated(seed):
        codes, drawn = player.draw_codes(test.x).cpu(), player.law.draw(n, test.x)
        samples = player.sample(20 if quick else DRAWN).cpu()
    error = float((player.reconstruct(test.x).cpu() - test.x).square().mean())
    near = memorisation(samples.flatten(1), train.x.flatten(1), test.x[: len(samples)].flatten(1))
    row |= {**compared(codes, drawn), "mse": error, "nearer": float(near.nearer)}
    if player.law.components:
        # The component that a code lies in, which is a sector of the circle.
        sector = 2 * math.pi / player.law.components
        said = (
            torch.atan2(codes[:, 1], codes[:, 0]) / sector
        ).round().long() % player.law.components
        row["told"] = float((said == test.y).double().mean())
    if not quick and seed == SEEDS[0]:
        shown = shown_at(name, device)
        if player.latent == 2:
            scatter(codes, cast(Tensor, test.y), drawn, name, shown)
        else:
            pairs(player, test.x[:10], shown)
    return row


def probe(name: str, seed: int, device: str, quick: bool) -> Row:
    """A row of `PROBES`."""
    if name == "untrained":
        with isolated(seed):
            player, row = Representation.from_data(parts(quick)[0], base_channels=16), {"steps": 0}
    else:
        run, row = trained(name, PROBES[name], seed, device, quick)
        player = cast(Representation, run.ema_model)
    net = cast(Any, player.encoder).features
    row |= {
        "codes": probed(player.encode, quick),
        "features": probed(partial(features, net), quick),
    }
    if not quick and seed == SEEDS[0] and name != "untrained":
        pairs(player, parts(quick)[1].x[:10], shown_at(name, device))
    return row


def probed(represent: Callable[[Tensor], Tensor], quick: bool) -> float:
    """Test accuracy of a logistic regression on what `represent` gives."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    (x, y), (other, truth) = ((s.x, cast(Tensor, s.y)) for s in parts(quick))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000, tol=1e-3))
    model.fit(represent(x[:LABELLED]).cpu().numpy(), y[:LABELLED].numpy())
    return float(model.score(represent(other).cpu().numpy(), truth.numpy()))


def recognised(name: str, seed: int, device: str, quick: bool) -> Row:
    """A row of `CODES`."""
    run, row = trained(name, CODES[name], seed, device, quick)
    player, (_, test) = cast(Disentangle, run.ema_model), parts(quick)
    found = player.codes(test.x).discrete[0].exp().cpu()
    if not quick and seed == SEEDS[0]:
        with isolated(seed):
            for code, picture in enumerate((name, f"{name}-1", f"{name}-2")):
                image_table(player.traverse(code).cpu(), shown_at(picture, device))
    return {**row, "nats": float(mutual_information(found, cast(Tensor, test.y)))}


def work(row: str, seed: int, device: str, quick: bool) -> Row:
    """One row of any kind."""
    key = {"row": row, "seed": seed, "device": device}
    measure = posterior if row in POSTERIORS else probe if row in PROBES else recognised
    try:
        return {**key, **measure(row, seed, device, quick)}
    except NonFiniteError as error:
        return {**key, "health": str(error)}


def shown_at(name: str, device: str) -> Path:
    """The file of a row's picture."""
    suffix = "" if device == "cpu" else f"-{device}"
    return RESULTS / "representation" / f"{name.replace(', ', '-').replace(' ', '-')}{suffix}.png"


def scatter(codes: Tensor, y: Tensor, drawn: Tensor, name: str, path: Any) -> None:
    """Codes of the test images by class, over draws of the prior."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.scatter(*drawn.T, s=2, linewidths=0, color="0.8")
    points = axes.scatter(*codes.T, s=2, linewidths=0, c=y, cmap="tab10", vmin=-0.5, vmax=9.5)
    figure.colorbar(points, ticks=range(10), shrink=0.7)
    axes.set_title(f"{name}: codes of the test images, prior in grey", fontsize=9)
    axes.set_aspect("equal")
    with replacing(path) as file:
        figure.savefig(file, format="png", dpi=100)


def pairs(player: Representation, x: Tensor, path: Any) -> None:
    """Test images, their reconstructions, and draws of the prior."""
    with isolated(0):
        drawn = player.sample(len(x)).cpu()
    before_after({"image": x, "back again": player.reconstruct(x).cpu(), "drawn": drawn}, path)


def bars(result: Result) -> None:
    """What the issue asks for, of each device."""
    for device in sorted({r["device"] for r in result.rows}):
        suffix = "" if device == "cpu" else f", {device}"
        bars_of(result, [r for r in result.rows if r["device"] == device], suffix)


def bars_of(result: Result, rows: list[Row], suffix: str) -> None:
    """The bars of one device, on the median of the seeds."""

    def of(row: str, figure: str) -> dict[int, float]:
        return {r["seed"]: r[figure] for r in rows if r["row"] == row and figure in r}

    def middle(row: str, figure: str) -> float | None:
        values = of(row, figure).values()
        return median(values) if values else None

    def less(one: str, other: str, figure: str) -> float | None:
        """The median of one less that of the other, over the seeds that both have."""
        ours, theirs = of(one, figure), of(other, figure)
        both = ours.keys() & theirs.keys()
        return median(ours[s] for s in both) - median(theirs[s] for s in both) if both else None

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
    """Compute the rows that are missing."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--only", nargs="*", default=NAMES, choices=NAMES, metavar="ROW", help=", ".join(NAMES)
    )
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    options = parser.parse_args()
    one_thread()
    result = Result("representation", quick=options.quick)
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
