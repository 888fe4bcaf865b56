"""Damage real images in known ways, and show which metrics of the image report detect it.

The samples are 1,000 test images of Fashion-MNIST with one fault each time, so the right verdict is
known. They are compared with 2,000 other test images and 5,000 training images, in the features of
a small classifier. Each row is the mean over three disjoint sets of samples. Eight sets without a
fault give the mean and the spread of each metric: a value more than five standard deviations from
the mean is a change. Fewer samples are not a fault: where a metric changes with them, only values
of equally many samples can be compared.

The command writes results/metric_failures.json and .png, and the table of docs/metrics.md.
"""

import math
import re
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import torch
from harness import RESULTS, Result, Row, arguments, one_thread
from judge import teach
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad

from advlearn.data import ArrayDataset, Batches, load
from advlearn.metrics import image_report

PAGE = Path(__file__).parents[1] / "docs" / "metrics.md"
CLEAN = "no fault"
DEVIATIONS = 5
WIDTH = 64  # features of the classifier


class Metric(NamedTuple):
    """A metric of the report: its heading, and whether a fault should raise or lower it."""

    heading: str
    fault_raises: bool


METRICS = {
    "frechet": Metric("Frechet", True),
    "kid": Metric("KID", True),
    "precision": Metric("precision", False),
    "recall": Metric("recall", False),
    "density": Metric("density", False),
    "coverage": Metric("coverage", False),
    "per_class": Metric("by class", True),
    "inception": Metric("inception", False),
    "copies": Metric("copies", True),
    "nearer": Metric("nearer", True),
}


class Sizes(NamedTuple):
    """Numbers of images, and steps of the classifier."""

    data: str
    samples: int
    real: int
    train: int
    clean_sets: int
    sets: int
    steps: int


FULL = Sizes("fashion-mnist", 1000, 2000, 5000, 8, 3, 600)
QUICK = Sizes("digits", 60, 120, 200, 2, 1, 5)


class Samples(NamedTuple):
    """Samples with the classes that they are meant to be of."""

    x: Tensor
    y: Tensor


class Setting(NamedTuple):
    """The images and the networks that all rows share.

    Attributes:
        real: Test images that the samples are compared with.
        rest: Other test images, which the samples are made from.
        train: Training images.
        extractor: From images to features.
        classifier: From features to logits.
    """

    real: Samples
    rest: Samples
    train: Samples
    extractor: nn.Module
    classifier: nn.Module


Fault = Callable[[Setting, int, int], Samples]
"""From the setting, the number of samples and the number of the set to samples."""


def undamaged(setting: Setting, n: int, part: int) -> Samples:
    """Return test images; the sets of different parts are disjoint."""
    rows = torch.arange(part * n, (part + 1) * n) % len(setting.rest.x)
    return Samples(setting.rest.x[rows], setting.rest.y[rows])


def noisy(deviation: float, setting: Setting, n: int, part: int) -> Samples:
    """Add normal noise, of a standard deviation in the range [-1, 1] of pixels."""
    x, y = undamaged(setting, n, part)
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(part))
    return Samples((x + deviation * noise).clamp(-1, 1), y)


def blurred(deviation: float, setting: Setting, n: int, part: int) -> Samples:
    """Blur by a normal kernel, of a standard deviation in pixels."""
    x, y = undamaged(setting, n, part)
    reach = math.ceil(3 * deviation)
    line = torch.exp(-(torch.arange(-reach, reach + 1.0) ** 2) / (2 * deviation**2))
    kernel = torch.outer(line, line)
    padded = pad(x, (reach,) * 4, mode="replicate")
    return Samples(conv2d(padded, (kernel / kernel.sum())[None, None]), y)


def without_classes(dropped: int, setting: Setting, n: int, part: int) -> Samples:
    """Leave out the last classes."""
    kept = torch.nonzero(setting.rest.y < setting.rest.y.max() + 1 - dropped)[:, 0]
    rows = kept[torch.arange(part * n, (part + 1) * n) % len(kept)]
    return Samples(setting.rest.x[rows], setting.rest.y[rows])


def repeated(images: int, setting: Setting, n: int, part: int) -> Samples:
    """Repeat a few images of each class."""
    x, y = undamaged(setting, n, part)
    first = [torch.nonzero(y == k)[:images, 0] for k in y.unique()]
    rows = torch.cat(first).repeat(math.ceil(n / len(first)))[:n]
    # In a random order, as the splits of the inception score assume.
    rows = rows[torch.randperm(n, generator=torch.Generator().manual_seed(part))]
    return Samples(x[rows], y[rows])


def memorised(share: float, setting: Setting, n: int, part: int) -> Samples:
    """Replace a share of the samples by training images."""
    x, y = undamaged(setting, n, part)
    copies = round(share * n)
    rows = (torch.arange(copies) + part * n) % len(setting.train.x)
    return Samples(
        torch.cat([setting.train.x[rows], x[copies:]]),
        torch.cat([setting.train.y[rows], y[copies:]]),
    )


def misnamed(share: float, setting: Setting, n: int, part: int) -> Samples:
    """Ask for the next class in a share of the samples."""
    x, y = undamaged(setting, n, part)
    wrong = torch.arange(n) < round(share * n)
    return Samples(x, torch.where(wrong, (y + 1) % (int(y.max()) + 1), y))


FAULTS: dict[str, Fault] = {
    **{f"noise of {s}": partial(noisy, s) for s in (0.05, 0.1, 0.2, 0.4)},
    **{f"blur of {s} pixels": partial(blurred, s) for s in (0.5, 1.0, 2.0)},
    **{f"{k} of 10 classes missing": partial(without_classes, k) for k in (1, 3, 5)},
    **{f"{k} images a class": partial(repeated, k) for k in (20, 5)},
    "1 image a class": partial(repeated, 1),
    **{f"{s:.0%} memorised": partial(memorised, s) for s in (0.1, 0.5, 1.0)},
    **{f"{s:.0%} of another class": partial(misnamed, s) for s in (0.1, 0.5)},
}
SAMPLES = (50, 100, 250, 500)


def setting_of(sizes: Sizes) -> Setting:
    """Load the images, and train the classifier on other training images than those compared."""
    data = load(sizes.data)
    test = data.test()
    if test is None:
        half = len(data) // 2
        test, data = data.part(torch.arange(half)), data.part(torch.arange(half, len(data)))
    torch.manual_seed(0)
    channels = data.shape[0]
    extractor = nn.Sequential(
        nn.Conv2d(channels, 16, 4, 2, 1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 4, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.LazyLinear(WIDTH),
        nn.ReLU(),
    )
    classifier = nn.Linear(WIDTH, data.classes)
    extractor(data.x[:2])
    train, others = (
        data.part(torch.arange(sizes.train)),
        data.part(torch.arange(sizes.train, len(data))),
    )
    teach(nn.Sequential(extractor, classifier), Batches(others, 64), sizes.steps)
    return Setting(
        _samples(test, slice(sizes.real)),
        _samples(test, slice(sizes.real, None)),
        _samples(train, slice(None)),
        extractor.eval(),
        classifier.eval(),
    )


def _samples(data: ArrayDataset, rows: slice) -> Samples:
    if data.y is None:
        raise ValueError(f"data: expected images with classes, got {data.name}")
    return Samples(data.x[rows], data.y[rows])


def measure(setting: Setting, samples: Samples) -> Row:
    """Return the metrics of the report on a set of samples."""
    report = image_report(
        samples.x,
        setting.real.x,
        setting.extractor,
        labels=(samples.y, setting.real.y),
        classifier=setting.classifier,
        train=setting.train.x,
    )
    by_class = [value for value in report.per_class if not math.isnan(value)]
    values = {name: getattr(report, name) for name in METRICS if name != "per_class"}
    return {**values, "per_class": statistics.mean(by_class) if by_class else float("nan")}


def add_rows(result: Result, sizes: Sizes) -> None:
    """Measure the samples without a fault, with each fault, and in smaller numbers."""
    cases = [(CLEAN, partial(undamaged), sizes.samples, part) for part in range(sizes.clean_sets)]
    for name, fault in FAULTS.items():
        cases += [(name, fault, sizes.samples, part) for part in range(sizes.sets)]
    for n in (n for n in SAMPLES if n <= sizes.samples):
        cases += [(f"{n} samples", partial(undamaged), n, part) for part in range(sizes.sets)]
    cases = [case for case in cases if not result.has(fault=case[0], part=case[3])]
    setting = setting_of(sizes) if cases else None
    for name, fault, n, part in cases:
        assert setting is not None
        result.add({"fault": name, "part": part, **measure(setting, fault(setting, n, part))})


class Cell(NamedTuple):
    """A metric's mean under a fault.

    Attributes:
        value: The mean.
        deviations: Its distance from the mean without a fault, in standard deviations; positive
            where the metric calls the samples worse.
    """

    value: float
    deviations: float

    @property
    def verdict(self) -> str:
        """Whether the metric calls the samples worse, better or equal."""
        if abs(self.deviations) <= DEVIATIONS or math.isnan(self.deviations):
            return "equal"
        return "worse" if self.deviations > 0 else "better"


def cells(rows: list[Row]) -> dict[str, dict[str, Cell]]:
    """Return the cell of each fault and metric."""
    measured = {row["fault"] for row in rows}
    names = [CLEAN, *FAULTS, *(f"{n} samples" for n in SAMPLES)]
    faults = [name for name in names if name in measured]
    table: dict[str, dict[str, Cell]] = {fault: {} for fault in faults}
    for metric, (_, fault_raises) in METRICS.items():
        of = {f: [row[metric] for row in rows if row["fault"] == f] for f in faults}
        middle, spread = statistics.mean(of[CLEAN]), statistics.stdev(of[CLEAN])
        for fault in faults:
            value = statistics.mean(of[fault])
            deviations = (value - middle) / max(spread, 1e-9) * (1 if fault_raises else -1)
            table[fault][metric] = Cell(value, deviations)
    return table


def markdown(table: dict[str, dict[str, Cell]]) -> str:
    """Return the table of the page: bold for worse, italic for better."""
    marks = {"worse": "**", "better": "*", "equal": ""}
    lines = ["| samples | " + " | ".join(m.heading for m in METRICS.values()) + " |"]
    lines.append("|---" * (1 + len(METRICS)) + "|")
    for fault, row in table.items():
        shown = [f"{marks[c.verdict]}{_number(c.value)}{marks[c.verdict]}" for c in row.values()]
        lines.append(f"| {fault} | " + " | ".join(shown) + " |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) >= 0.001 or not value else f"{value:.4f}"


def write_page(table: dict[str, dict[str, Cell]]) -> None:
    """Replace the table of the page."""
    text = PAGE.read_text()
    begin, end = "<!-- metric_failures: begin -->", "<!-- metric_failures: end -->"
    new = f"{begin}\n{markdown(table)}\n{end}"
    PAGE.write_text(re.sub(f"{begin}.*{end}", lambda _: new, text, flags=re.S))


def draw(table: dict[str, dict[str, Cell]], path: Path) -> None:
    """Draw the table with a colour for each verdict."""
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    colours = {"worse": "#e8896a", "equal": "#f4f4f4", "better": "#7aa9d8"}
    names = {"worse": "calls the samples worse", "equal": "sees no difference"}
    names["better"] = "calls the samples better"
    figure = Figure(figsize=(10.5, 0.33 * len(table) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    for r, row in enumerate(table.values()):
        for c, cell in enumerate(row.values()):
            axes.fill(
                [c, c + 1, c + 1, c], [r, r, r + 1, r + 1], colours[cell.verdict], edgecolor="white"
            )
            axes.text(c + 0.5, r + 0.5, _number(cell.value), ha="center", va="center", fontsize=9)
    axes.set_xlim(0, len(METRICS))
    axes.set_ylim(len(table), 0)
    axes.set_xticks([c + 0.5 for c in range(len(METRICS))], [m.heading for m in METRICS.values()])
    axes.set_yticks([r + 0.5 for r in range(len(table))], list(table))
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.spines[:].set_visible(False)
    figure.suptitle("Which metric detects which fault: Fashion-MNIST, damaged test images")
    handles = [Patch(color=colours[verdict], label=name) for verdict, name in names.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure all faults, and write the table and the picture."""
    options = arguments(__doc__ or "").parse_args()
    one_thread()
    result = Result("metric_failures", quick=options.quick)
    if not options.report:
        add_rows(result, QUICK if options.quick else FULL)
    table = cells(result.rows)
    add_bars(result, table)
    result.save()
    if not options.quick:
        write_page(table)
        draw(table, RESULTS / "metric_failures.png")
    shown = [
        {"fault": fault, **{m: cell.value for m, cell in row.items()}}
        for fault, row in table.items()
    ]
    result.show(["fault", *METRICS], shown)


# What each metric is for: it must detect these faults.
DETECTS = {
    "frechet": ("noise of 0.2", "blur of 1.0 pixels", "3 of 10 classes missing", "1 image a class"),
    "kid": ("noise of 0.2", "blur of 1.0 pixels", "3 of 10 classes missing", "1 image a class"),
    "precision": ("noise of 0.4",),
    "density": ("noise of 0.4",),
    "recall": ("3 of 10 classes missing", "1 image a class"),
    "coverage": ("3 of 10 classes missing", "1 image a class"),
    "per_class": ("50% of another class",),
    "inception": ("5 of 10 classes missing",),
    "copies": ("10% memorised",),
    "nearer": ("50% memorised",),
}


def add_bars(result: Result, table: dict[str, dict[str, Cell]]) -> None:
    """Require that each metric detects what it is for."""
    result.bars = []
    for metric, faults in DETECTS.items():
        for fault in faults:
            deviations = table[fault][metric].deviations
            result.bar(f"{metric}: {fault}, deviations", deviations, ">=", DEVIATIONS)


if __name__ == "__main__":
    main()
