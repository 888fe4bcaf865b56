"""What a run measured, printed as one table beside the same figures of real data."""

from typing import Any

import torch
from torch import Tensor

from advlearn.data import Source
from advlearn.data import load as load_data
from advlearn.run import Run

COUNT = 1000


def measure(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Two-sample figures of `fake` against `real`, on the samples as flat vectors.

    Args:
        real: Real samples (N, ...).
        fake: Other samples (M, ...).

    Returns:
        Frechet distance, squared MMD, precision, recall, density and coverage, by name.
    """
    from advlearn import metrics

    real, fake = real.flatten(1), fake.flatten(1).to(real.device)
    precision, recall = metrics.precision_recall(real, fake)
    density, coverage = metrics.density_coverage(real, fake)
    figures: dict[str, Any] = {
        "frechet distance": metrics.frechet_distance(real, fake),
        "squared MMD": metrics.mmd(real, fake),
        "precision": precision,
        "recall": recall,
        "density": density,
        "coverage": coverage,
    }
    return {name: float(value) for name, value in figures.items()}


def report(run: Run, data: Any) -> None:
    """Print what `run` measured: samples against one half of the data, the other half beside them."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    source = load_data(data)
    if isinstance(source, Source):
        order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))
        half = min(COUNT, len(source) // 2)
        one, other = source.x[order[:half]], source.x[order[half : 2 * half]]
        ours = measure(one, run.sample(half, seed=0).cpu())
        reals = measure(one, other)
        table = Table("raw samples as vectors", "samples", "other real ones", title=f"{half} against {half} real ones")
        for name in ours:
            table.add_row(name, f"{ours[name]:.4f}", f"{reals[name]:.4f}")
        console.print(table)
    for name, health in run.health().items():
        console.print(f"{name}: {health.verdict}", highlight=False)
    if run.out is not None:
        console.print(f"files: {run.out}", highlight=False)
        for path in sorted(run.out.iterdir()):
            console.print(f"  {path}", highlight=False)
