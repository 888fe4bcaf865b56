"""Measure the gain of the adversarial term in image translation, with pairs and without.

A row is one training run of one seed on training images; its figures are those of 5,000 test inputs
(all 2,007 of USPS).

- `edges`: line drawings to Fashion-MNIST, `grey`: grey to colour CIFAR-10 (the copy re-encoded as
  JPEG if ADVLEARN_DATA has it), `frames`: four frames of a moving digit to the fifth. One U-Net of
  width 16, 16 pairs a batch, Adam at 1e-3 for both networks, the moving average of the weights.
  `distance` is the task without its adversary (weight 0) by mean absolute difference (L1), squared
  for `frames` (L2); `gan` adds PatchGAN by lsgan with a distance weight of 10, and `gan-100` with
  the paper's weight of 100. 10 was chosen on seed 0 at 800 steps by the Frechet distance to 2,000
  held-out training images (edges: 6.9 at 10, 14.1 at 100, 17.1 without; grey: 7.6, 9.2, 10.1, in
  `results/translate_tried.json`, as are those of `small`); no test image was used. `last frame` of
  `frames` learns nothing: it predicts the last frame again.
- `small`: CIFAR-10 at 8 pixels a side to 32 (SRGAN's generator, width 24, 6 blocks), by L2.
  `bicubic` learns nothing. The distance weight is 20, chosen on seed 0 at 500 steps in the same way
  (13.5 at 20, 26.6 at 100, 37.2 without).
- `digits`: USPS <-> MNIST without pairs, both at 16 pixels: CycleGAN and DiscoGAN (width 8, 3
  blocks, 16 + 16 a batch). A classifier that is trained only on the training images of the target
  set reads the translated test images of the other set: `usps to mnist` and `mnist to usps` are its
  accuracies. Chance is 0.1; `as they are` reads the images untranslated, the accuracy of an
  identity. `in domain` reads the test images of the classifier's own set. Both sets use all their
  training images. Their labels are used in one row only: `paired` is an upper bound, the same
  generators and steps in `paired_translation` (L1 at weight 10, PatchGAN), once in each direction,
  on each training image with the nearest training image of its class in the other set.

`frechet` compares outputs with the true targets of the same inputs, in the 128 features before the
last layer of a small classifier of the targets' training images, which this file trains
(`classifier` is its test accuracy); so 0 is perfect. The rows `truth` compare one half of the test
targets with the other: the distance between different images of one distribution. Videos have no
classifier. `l1`, `mse` and `psnr` (in dB, of levels from -1 to 1) are against the true target.
`sharpness` is the mean gradient magnitude over that of the true targets (1 is as sharp as the
truth, below is blurred). `chroma` is the mean distance of a colour from its grey value, over that
of the true targets.

Budget: the steps of an experiment are in STEPS; on one core of a CPU all rows together take about
75 minutes. With `--device cuda` a row makes GPU_TIMES as many steps. Bars are computed for each
device that has rows.
"""

import time
from functools import cache, lru_cache, partial
from typing import Any

import torch
from harness import RESULTS, Result, Row, arguments, compute, one_thread
from judge import teach
from torch import Tensor, nn
from torch.nn.functional import interpolate

from advlearn.data import ArrayDataset, Batches, Pairs, Unpaired, load
from advlearn.data import pairs as make_pairs
from advlearn.fitting import fit
from advlearn.metrics import accuracy, features, frechet_distance
from advlearn.nets.families.translators import ResidualTranslator, enlarged
from advlearn.plots.before_after import before_after
from advlearn.tasks.paired_translation import PairedTranslation
from advlearn.training.rng import isolated

SEEDS = (0, 1, 2)
STEPS = {"edges": 2500, "grey": 2500, "frames": 1500, "small": 2000, "digits": 3000}
GPU_TIMES = 8
BATCH, LR, TESTED, SIDE, EPOCHS = 16, 1e-3, 5000, 16, 3
DATA = {"edges": "fashion-mnist", "grey": "cifar10", "small": "cifar10", "frames": "mnist"}
SPECS = {
    "edges": {
        "distance": "base_channels=16, adversarial_weight=0.0",
        "gan": "base_channels=16, distance_weight=10.0",
        "gan-100": "base_channels=16",
    },
    "grey": {
        "distance": "base_channels=16, adversarial_weight=0.0",
        "gan": "base_channels=16, distance_weight=10.0",
        "gan-100": "base_channels=16",
    },
    "frames": {
        "distance": "base_channels=16, norm='l2', adversarial_weight=0.0",
        "gan": "base_channels=16, norm='l2', distance_weight=10.0",
    },
    "small": {
        "distance": "base_channels=24, norm='l2', adversarial_weight=0.0",
        "gan": "base_channels=24, norm='l2', distance_weight=20.0, conditional=False",
    },
}
CYCLES = {
    "cyclegan": "unpaired_translation(base_channels=8, blocks=3)",
    "discogan": "discogan(base_channels=8, blocks=3)",
}
# Rows that learn nothing, and rows with one seed: they have no bars.
FIXED = {
    "edges": ["truth"],
    "grey": ["truth"],
    "frames": ["last frame"],
    "small": ["truth", "bicubic"],
    "digits": ["as they are"],
}
ONE_SEED = (
    *(("edges", "gan-100"), ("grey", "gan-100"), ("small", "*"), ("frames", "*")),
    *(("digits", "discogan"), ("digits", "paired")),
)
# Chance accuracy of reading a digit, plus three standard errors.
CHANCE = {"usps to mnist": 0.12, "mnist to usps": 0.11}
COLUMNS = ["data", "method", "seed", "steps", "frechet", "l1", "psnr", "sharpness", "chroma"]
COLUMNS += ["usps to mnist", "mnist to usps", "in domain, mnist", "in domain, usps"]


@lru_cache(maxsize=1)
def loaded(name: str) -> Any:
    """Load a data set; keep the last one, which the next row often needs again."""
    return load(name)


@cache
def first(name: str) -> ArrayDataset:
    """Return the first images of a data set."""
    source: Any = load(name)
    return ArrayDataset(source.x[:150], source.y[:150], source.name, source.classes)


def opened(name: str, quick: bool) -> Any:
    """Return a data set, only its first images in a quick run."""
    return first(name) if quick else loaded(name)


@cache
def classifier(data: str, side: int, quick: bool) -> tuple[nn.Sequential, float]:
    """Return a small convolutional classifier of images at a size, and its test accuracy."""
    train, test = (
        sized(opened(f"{data}{part}", quick), side) for part in ("-test" if quick else "", "-test")
    )
    channels = train.shape[0]
    with isolated(0):
        net = nn.Sequential(
            *(nn.Conv2d(channels, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(
                nn.Flatten(),
                nn.Dropout(0.25),
                nn.Linear(32 * (side // 4) ** 2, 128),
                nn.ReLU(),
                nn.Linear(128, 10),
            ),
        )
        stream = Batches(train, 20 if quick else 100)
        # As many steps for the few images of USPS as for 20,000.
        steps = 2 if quick else EPOCHS * max(stream.per_epoch, 200)
        teach(net, stream, steps)
    return net, 0.0 if test.y is None else accuracy(features(net, test.x), test.y)


def sized(source: Any, side: int) -> ArrayDataset:
    """Return images at a size."""
    x, y = source.x, source.y
    if x.shape[-1] != side:
        x = interpolate(x, (side, side), mode="bilinear", antialias=True)
    return ArrayDataset(x.contiguous(), y, source.name, source.classes)


@cache
def pairs(data: str, part: str, quick: bool) -> Pairs:
    """Return the pairs of an experiment, at most `TESTED` for the test."""
    images = opened(f"{DATA[data]}{'-test' if quick else part}", quick).x
    return make_pairs(data, images[: TESTED if part else None])


@cache
def digits(part: str, quick: bool) -> Unpaired:
    """Return USPS and MNIST at one size."""
    return Unpaired(
        *(
            sized(opened(f"{name}{'-test' if quick else part}", quick), SIDE)
            for name in ("usps", "mnist")
        )
    )


def slope(images: Tensor) -> Tensor:
    """Return the mean magnitude of the differences between neighbouring pixels."""
    right, down = (
        images[..., :-1, 1:] - images[..., :-1, :-1],
        images[..., 1:, :-1] - images[..., :-1, :-1],
    )
    return torch.hypot(right, down).double().mean()


def chroma(images: Tensor) -> Tensor:
    """Return the mean distance of colours from their grey value."""
    return (images - images.mean(1, keepdim=True)).norm(dim=1).double().mean()


def figures(data: str, outputs: Tensor, truth: Tensor, quick: bool) -> Row:
    """Compare outputs with the true targets."""
    gap = (outputs - truth).double()
    row = {
        "l1": gap.abs().mean(),
        "mse": gap.square().mean(),
        "sharpness": slope(outputs) / slope(truth),
    }
    row["psnr"] = 10 * torch.log10(4 / row["mse"])
    if truth.shape[1] == 3:
        row["chroma"] = chroma(outputs) / chroma(truth)
    named = {name: float(value) for name, value in row.items()}
    return named if data == "frames" else {**named, **distances(data, outputs, truth, quick)}


def distances(data: str, outputs: Tensor, truth: Tensor, quick: bool) -> Row:
    """Return the Frechet distance in the features of the classifier of the targets."""
    net, right = classifier(DATA[data], truth.shape[-1], quick)
    fakes, reals = (features(net[:-1], x) for x in (outputs, truth))
    return {"frechet": float(frechet_distance(reals, fakes)), "classifier": right}


def paired(data: str, method: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row of an experiment with pairs."""
    test = pairs(data, "-test", quick)
    if method == "truth":
        half = len(test) // 2
        return {
            "steps": 0,
            "cpu_seconds": 0.0,
            **distances(data, test.y[:half], test.y[half:], quick),
        }
    if method == "bicubic":
        return {
            "steps": 0,
            "cpu_seconds": 0.0,
            **figures(data, enlarged(test.x, 4).clamp(-1, 1), test.y, quick),
        }
    if method == "last frame":
        return {"steps": 0, "cpu_seconds": 0.0, **figures(data, test.x[:, -1:], test.y, quick)}
    run, row = trained(
        f"paired_translation({SPECS[data][method]})",
        pairs(data, "", quick),
        data,
        seed,
        device,
        quick,
    )
    outputs = run.predict(test.x).cpu().clamp(-1, 1)
    if seed == 0 and not quick:
        draw(run, test, f"{data}-{method}", device)
    return {**row, **figures(data, outputs, test.y, quick)}


def cycled(method: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row of digits without pairs."""
    test = digits("-test", quick)
    a, b = test.a, test.b
    row: Row = {"steps": 0, "cpu_seconds": 0.0}
    to_b, to_a = a.x, b.x
    if method == "paired":
        (to_b, row), (to_a, other) = (from_pairs(way, seed, device, quick) for way in ("ab", "ba"))
        row["cpu_seconds"] += other["cpu_seconds"]
    elif method != "as they are":
        run, row = trained(CYCLES[method], digits("", quick), "digits", seed, device, quick)
        to_b, to_a = run.ema_model.predict(a.x, "b").cpu(), run.ema_model.predict(b.x, "a").cpu()
        if seed == 0 and not quick:
            draw(run, test, f"digits-{method}", device)
    for (net, bound), images, source, way in (
        (classifier("mnist", SIDE, quick), to_b, a, ("usps to mnist", "mnist")),
        (classifier("usps", SIDE, quick), to_a, b, ("mnist to usps", "usps")),
    ):
        row |= {way[0]: accuracy(features(net, images), source.y), f"in domain, {way[1]}": bound}
    return row


def from_pairs(way: str, seed: int, device: str, quick: bool) -> tuple[Tensor, Row]:
    """Translate test digits by a model trained on pairs of one class; return also its cost."""
    train, test = digits("", quick), digits("-test", quick)
    (x, y), images = ((train.a, train.b), test.a) if way == "ab" else ((train.b, train.a), test.b)
    with isolated(seed):
        net = ResidualTranslator(train.shape, 1, base_channels=8, blocks=3)
        task = PairedTranslation(
            net, shape=train.shape, target_shape=train.shape, distance_weight=10.0, base_channels=8
        )
    run, row = trained(task, Pairs(x.x, nearest_of_class(x, y)), "digits", seed, device, quick)
    return run.predict(images.x).cpu(), row


def nearest_of_class(x: Any, y: Any) -> Tensor:
    """Return, for each image of one set, the nearest one of its class in the other."""
    found = torch.empty_like(x.x)
    for label in x.y.unique():
        own, other = (part.x[part.y == label] for part in (x, y))
        found[x.y == label] = other[torch.cdist(own.flatten(1), other.flatten(1)).argmin(1)]
    return found


def draw(run: Any, test: Any, name: str, device: str) -> None:
    """Plot ten test inputs and their translations."""
    suffix = "" if device == "cpu" else f"-{device}"
    before_after(
        run.ema_model.before_after(test, 10), RESULTS / "translate" / f"{name}{suffix}.png"
    )


def trained(
    game: str | PairedTranslation, source: Any, data: str, seed: int, device: str, quick: bool
) -> tuple[Any, Row]:
    """Return a run, and its cost."""
    steps = 3 if quick else STEPS[data] * (1 if device == "cpu" else GPU_TIMES)
    began = time.process_time()
    settings: dict[str, Any] = {
        "steps": steps,
        "batch_size": BATCH,
        "lr": LR,
        "seed": seed,
        "device": device,
    }
    run = fit(game, "lsgan", source, callbacks=(), **settings)
    spec = game
    if not isinstance(game, str):
        weight, channels = game.distance_weight, game.base_channels
        spec = f"paired_translation(distance_weight={weight}, base_channels={channels})"
    spent = {"cpu_seconds": round(time.process_time() - began, 1), "spec": spec}
    verdicts = {name: health.verdict for name, health in run.health().items()}
    return run, {"steps": steps, **spent, "health": verdicts}


def row(data: str, method: str, seed: int, device: str, quick: bool) -> Row:
    """Return one row."""
    key = {"data": data, "method": method, "seed": seed, "device": device}
    done = (
        cycled(method, seed, device, quick)
        if data == "digits"
        else paired(data, method, seed, device, quick)
    )
    return {**key, **done}


def todo(names: list[str], device: str) -> list[Row]:
    """Return the rows of some experiments, those that learn nothing first."""
    keys: list[Row] = []
    for data in names:
        keys += [{"data": data, "method": m, "seed": 0, "device": device} for m in FIXED[data]]
        for method in (*CYCLES, "paired") if data == "digits" else SPECS[data]:
            one = (data, method) in ONE_SEED or (data, "*") in ONE_SEED
            keys += [
                {"data": data, "method": method, "seed": s, "device": device}
                for s in (SEEDS[:1] if one else SEEDS)
            ]
    return keys


def bars(result: Result) -> None:
    """Return the required bars of each device."""
    for device in sorted({r["device"] for r in result.rows}):
        rows = [r for r in result.rows if r["device"] == device]
        suffix = "" if device == "cpu" else f", {device}"
        for data in SPECS:
            bars_of_pairs(result, data, [r for r in rows if r["data"] == data], suffix)
        for way in CHANCE:
            bars_of_digits(result, way, [r for r in rows if r["data"] == "digits"], suffix)


def bars_of_pairs(result: Result, data: str, rows: list[Row], suffix: str) -> None:
    """Add the bars of the adversary's gain, and of training over copying."""
    by = {(r["method"], r["seed"]): r for r in rows}
    both = [
        (by["distance", s], by["gan", s])
        for s in SEEDS
        if ("gan", s) in by and ("distance", s) in by
    ]
    if not both:
        return
    least = f"without the adversary less that with it, least of {len(both)} seeds{suffix}"
    blur = [abs(1 - plain["sharpness"]) - abs(1 - gan["sharpness"]) for plain, gan in both]
    result.bar(f"{data}: error of sharpness {least}", min(blur), ">=", 0)
    if data != "frames":
        gains = [plain["frechet"] - gan["frechet"] for plain, gan in both]
        result.bar(f"{data}: Frechet distance {least}", min(gains), ">=", 0)
    elif ("last frame", 0) in by:
        gain = by["last frame", 0]["mse"] - max(plain["mse"] for plain, _ in both)
        result.bar(
            f"{data}: squared error of the last frame less that of the predicted one{suffix}",
            gain,
            ">=",
            0,
        )


def bars_of_digits(result: Result, way: str, rows: list[Row], suffix: str) -> None:
    """Add the bars of CycleGAN's accuracies against chance, an identity and pairs."""
    found = {
        m: [r[way] for r in rows if r["method"] == m] for m in ("cyclegan", "as they are", "paired")
    }
    if not found["cyclegan"]:
        return
    reached, least = min(found["cyclegan"]), f"least of {len(found['cyclegan'])} seeds{suffix}"
    result.bar(f"{way}: accuracy after translation, {least}", reached, ">=", CHANCE[way])
    if not found["as they are"]:
        return
    plain = found["as they are"][0]
    result.bar(
        f"{way}: accuracy over that of the images as they are, {least}", reached - plain, ">=", 0.1
    )
    if found["paired"] and found["paired"][0] > plain:
        share = (reached - plain) / (found["paired"][0] - plain)
        result.bar(
            f"{way}: share of what pairs gain over the images as they are, {least}",
            share,
            ">=",
            0.5,
        )


def main() -> None:
    """Train and measure the missing rows."""
    parser = arguments(__doc__ or "")
    parser.add_argument(
        "--only", nargs="*", default=list(STEPS), choices=list(STEPS), help="experiments"
    )
    options = parser.parse_args()
    one_thread()
    result = Result("translate", quick=options.quick)
    wanted = todo(options.only, options.device)
    if options.quick:
        wanted = [k for k in wanted if k["seed"] == 0]
    compute(
        result, partial(row, quick=options.quick), [] if options.report else wanted, options.jobs
    )
    bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
