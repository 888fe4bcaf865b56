"""Compare the metrics with other implementations: the numbers and the CPU time in one thread.

- `many`: 50,000 samples of 2,048 features, as for a published Frechet distance.
- `few`: 100 samples of 12,288 features, as for the pixels of a small folder of 64 x 64 images.

The references are torchmetrics, clean-fid's formula and those of prdc (`metrics_references.py`).
The matrix root of clean-fid and of torchmetrics takes hours with 12,288 features: there the
reference of the Frechet distance is the N x M form in numpy, and clean-fid's formula is compared on
the first 512 features, in `few, 512 features`. `error` is the largest relative difference of a
number. A time is the shortest of several rounds, which other processes disturb least.

Metrics that compare all pairs of 50,000 samples take 10^13 operations for each pair of sets, and
together some hours of one core: they are measured with `--case "many, all pairs"` only.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial

import metrics_references as references
import numpy as np
import torch
from harness import Result, Row, arguments, one_thread

from advlearn import metrics

CASES = {
    "many": (50_000, 2048, 1),
    "many, all pairs": (50_000, 2048, 1),
    "few": (100, 12_288, 25),
    "few, 512 features": (100, 512, 25),
    "quick": (60, 80, 1),
}
FROM_MOMENTS = ("frechet_distance", "frechet_distance, torchmetrics", "kid", "inception_score")
"""Metrics that do not compare all pairs of samples."""
K = 5
COLUMNS = ["case", "metric", "reference", "ours_s", "theirs_s", "ratio", "error"]
Call = Callable[[], Sequence[float]]


def _numbers(result: object) -> list[float]:
    values = result if isinstance(result, tuple) else (result,)
    return [float(value) for value in values]


def _of_prdc(real: np.ndarray, fake: np.ndarray, names: tuple[str, str]) -> list[float]:
    values = references.prdc(real, fake, K)
    return [values[name] for name in names]


def comparisons(case: str, n: int, d: int) -> dict[str, tuple[str, Call, Call]]:
    """Return for each metric the name of the reference, our call and that of the reference."""
    generator = torch.Generator().manual_seed(0)
    scale = torch.linspace(0.5, 1.5, d, dtype=torch.float64)
    real, fake = (
        torch.randn(n, d, generator=generator, dtype=torch.float64) * scale + shift
        for shift in (0.0, 0.1)
    )
    a, b = real.numpy(), fake.numpy()
    size, width = min(1000, n // 2), float(np.sqrt(d))
    root_is_feasible = d <= 2048
    frechet = {
        "frechet_distance": ("clean-fid's formula", references.clean_fid),
        "frechet_distance, torchmetrics": ("torchmetrics", references.torchmetrics_fid),
    }
    if not root_is_feasible:
        frechet = {"frechet_distance": ("N x M form in numpy", references.few_fid)}
    pairs: dict[str, tuple[str, Call, Call]] = {
        name: (
            reference,
            lambda: _numbers(metrics.frechet_distance(real, fake)),
            partial(theirs, a, b),
        )
        for name, (reference, theirs) in frechet.items()
    }
    logits = real[:, :1000]
    return pairs | {
        "kid": (
            "torchmetrics",
            lambda: _numbers(metrics.kid(real, fake, 20, size)),
            lambda: references.torchmetrics_kid(a, b, 20, size),
        ),
        "precision_recall": (
            "prdc's formula",
            lambda: _numbers(metrics.precision_recall(real, fake, K)),
            lambda: _of_prdc(a, b, ("precision", "recall")),
        ),
        "density_coverage": (
            "prdc's formula",
            lambda: _numbers(metrics.density_coverage(real, fake, K)),
            lambda: _of_prdc(a, b, ("density", "coverage")),
        ),
        "mmd": (
            "scikit-learn's distances",
            lambda: _numbers(metrics.mmd(real, fake, bandwidths=[width])),
            lambda: references.mmd(a, b, width),
        ),
        "energy_distance": (
            "scikit-learn's distances",
            lambda: _numbers(metrics.energy_distance(real, fake)),
            lambda: references.energy_distance(a, b),
        ),
        "nearest": (
            "scikit-learn",
            lambda: [float(metrics.nearest(fake, real).distances.mean())],
            lambda: references.nearest(a, b),
        ),
        "kde_log_likelihood": (
            "scipy's logsumexp",
            lambda: _numbers(metrics.kde_log_likelihood(fake, real, width)),
            lambda: references.parzen(a, b, width),
        ),
        "inception_score": (
            "numpy",
            lambda: _numbers(metrics.inception_score(logits, 10)),
            lambda: references.inception_score(logits.numpy(), 10),
        ),
    }


def measure(case: str, metric: str) -> Row:
    """Compare one metric with its reference, in turn."""
    n, d, rounds = CASES[case]
    reference, ours, theirs = comparisons(case, n, d)[metric]
    taken: tuple[list[float], list[float]] = ([], [])
    values: list[Sequence[float]] = [[], []]
    for _ in range(rounds):
        for i, call in enumerate((ours, theirs)):
            start = time.process_time()
            values[i] = call()
            taken[i].append(time.process_time() - start)
    pairs = zip(*values, strict=True)
    error = max(abs(x - y) / max(abs(y), 1e-12) for x, y in pairs)
    mine, other = (min(times) for times in taken)
    return {
        "case": case,
        "metric": metric,
        "reference": reference,
        "ours_s": mine,
        "theirs_s": other,
        "ratio": mine / max(other, 1e-9),
        "error": error,
    }


def measured(case: str) -> list[str]:
    """Return the metrics that a case measures."""
    n, d, _ = CASES[case]
    metrics_of = comparisons(case, min(n, 20), d)
    if case == "many":
        return [metric for metric in metrics_of if metric in FROM_MOMENTS]
    if case == "many, all pairs":
        return [metric for metric in metrics_of if metric not in FROM_MOMENTS]
    return list(metrics_of)


def add_bars(result: Result) -> None:
    """Require equal numbers, and at most the time of the reference."""
    result.bars = []
    for row in result.rows:
        name = f"{row['case']}: {row['metric']}"
        result.bar(f"{name}, error", row["error"], "<=", 1e-6)
        result.bar(f"{name}, time", row["ratio"], "<=", 1.0)


def main() -> None:
    """Measure each metric of each case."""
    parser = arguments(__doc__ or "")
    parser.add_argument("--case", choices=list(CASES), help="only this case")
    options = parser.parse_args()
    one_thread()
    result = Result("metrics_speed", quick=options.quick)
    cases = [options.case] if options.case else ["few", "few, 512 features", "many"]
    for case in ["quick"] if options.quick else cases:
        for metric in measured(case):
            if not options.report and not result.has(case=case, metric=metric):
                result.add(measure(case, metric))
    add_bars(result)
    result.save()
    result.show(COLUMNS)


if __name__ == "__main__":
    main()
