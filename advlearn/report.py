"""Measure a run's samples or predictions, and print the results as one table."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, cast

import torch
from torch import Tensor

from advlearn.data import (
    ArrayDataset,
    Domains,
    Pairs,
    SemiSupervisedDataset,
    StreamedDataset,
    TabularDataset,
    Unpaired,
)
from advlearn.data import load as load_data
from advlearn.data.compared_groups import compared_groups, joined_columns
from advlearn.run import Run

COUNT = 1000
"""Largest number of samples that are measured."""

FEWEST = 6
"""Least number of samples that are measured: density and coverage need more than 5 neighbours."""


def measure(real: Tensor, fake: Tensor) -> dict[str, float]:
    """Compare two sets of samples as flat vectors.

    Args:
        real: Real samples (N, ...).
        fake: Generated samples (M, ...).

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
    """Measure a run and print the results, the health verdicts and the files it wrote.

    Samples are compared with real ones, predictions with the labels or targets of the test part,
    or of the training data where there is no test part.

    Args:
        run: The run.
        data: The data it was trained on, in any form that its task takes.
    """
    from rich.console import Console
    from rich.table import Table

    console = Console()
    source = getattr(type(run.task), "load_data", load_data)(data)
    if isinstance(source, ArrayDataset) and hasattr(run.ema_model, "sample"):
        half = min(COUNT, len(source) // 2)
        if half < FEWEST:
            console.print(f"no metrics: expected {2 * FEWEST} samples or more, got {len(source)}")
        else:
            console.print(_sample_table(run, source, half))
    elif not isinstance(source, StreamedDataset) and hasattr(run.ema_model, "predict"):
        test = source.test()
        measured = source if test is None else test
        where = " on the training data" if test is None else ""
        table = Table("measured", "value", title=f"{measured.name}: predictions{where}")
        for name, value in evaluate(run, measured).items():
            table.add_row(name, f"{value:.4f}")
        console.print(table)
    for name, health in run.health().items():
        console.print(f"{name}: {health.verdict}", highlight=False, soft_wrap=True)
    if run.out is not None:
        console.print(f"files: {run.out}", highlight=False, soft_wrap=True)
        for path in sorted(run.out.iterdir()):
            console.print(f"  {path}", highlight=False, soft_wrap=True)


def evaluate(
    run: Run,
    data: Domains | TabularDataset | SemiSupervisedDataset | Pairs | Unpaired | ArrayDataset,
) -> dict[str, float]:
    """Measure how good a run's predictions are.

    Args:
        run: A run of a task that predicts or translates.
        data: Data of the form the task was trained on, with labels or targets.

    Returns:
        Results by name, depending on the data: accuracies for labelled samples and domains; the
        accuracy on the labelled part of semi-supervised data; accuracy (or root mean squared error)
        and differences between groups for a table; the mean absolute difference from the targets
        for pairs, and from the input after both translations for unpaired sets.

    Raises:
        TypeError: Data of another type.
    """
    measure_data = _EVALUATIONS.get(type(data))
    if measure_data is None:
        expected = ", ".join(kind.__name__ for kind in _EVALUATIONS)
        raise TypeError(f"data: expected one of {expected}, got {type(data).__name__}")
    return measure_data(run, data)


def _samples(run: Run, data: ArrayDataset) -> dict[str, float]:
    return {f"accuracy on {data.name}": _accuracy(run, data)}


def _domains(run: Run, data: Domains) -> dict[str, float]:
    return {
        f"accuracy on {part.name}": _accuracy(run, part)
        for part in (*data.sources, data.target)
        if isinstance(part, ArrayDataset) and part.classes
    }


def _labelled_part(run: Run, data: SemiSupervisedDataset) -> dict[str, float]:
    labelled = data.labelled
    title = f"accuracy on {labelled.name}, the {len(labelled)} labels trained on"
    return {title: _accuracy(run, labelled)}


def _translation(run: Run, data: Pairs) -> dict[str, float]:
    outputs = run.predict(data.x[:COUNT]).cpu()
    return {"mean absolute difference": float((outputs - data.y[:COUNT]).abs().mean())}


def _cycle(run: Run, data: Unpaired) -> dict[str, float]:
    model, figures = cast(Any, run.ema_model), dict[str, float]()
    for part, there, back in ((data.a, "b", "a"), (data.b, "a", "b")):
        if isinstance(part, ArrayDataset):
            x = part.rows(slice(COUNT))
            cycled = model.predict(model.predict(x, there), back).cpu()
            difference = float((cycled - x).abs().mean())
            figures[f"there and back, {part.name}: mean absolute difference"] = difference
    return figures


def _fairness(run: Run, table: TabularDataset) -> dict[str, float]:
    from advlearn import metrics

    outputs = run.predict(table.x).cpu()
    decisions = outputs.argmax(1) if outputs.ndim > 1 else (outputs > 0).long()
    if table.classes:
        figures, kind = {"accuracy": metrics.accuracy(decisions, table.y)}, "demographic parity"
        columns = [decisions == k for k in range(table.classes)]
    else:
        error = (outputs - table.y).square().mean().sqrt()
        figures, kind, columns = {"root mean squared error": float(error)}, "mean", [outputs]
    combine = bool(getattr(run.ema_model, "combine_groups", False))
    columns_of = joined_columns(table.sensitive, table.attributes, combine=combine)
    for name, groups in compared_groups(table.attributes, combine=combine).items():
        values = columns_of[name]
        # A part of the data may hold only one group, or one decile.
        if groups and len(values.unique()) > 1:
            figures[f"{name}: {kind} difference"] = max(
                metrics.mean_difference(column, column, sensitive_features=values)
                for column in columns
            )
            if table.classes == 2:
                figures[f"{name}: equalized odds difference"] = metrics.equalized_odds_difference(
                    table.y, decisions, sensitive_features=values
                )
        elif not groups and bool((values > values.quantile(0.1)).any()):
            figures[f"{name}: {kind} difference between deciles"] = max(
                metrics.quantile_difference(column, column, sensitive_features=values)
                for column in columns
            )
    return figures


def _accuracy(run: Run, part: Any) -> float:
    from advlearn.metrics import accuracy

    return accuracy(run.predict(part.x).cpu(), part.y)


_EVALUATIONS: Mapping[type, Callable[[Run, Any], dict[str, float]]] = MappingProxyType(
    {
        ArrayDataset: _samples,
        Domains: _domains,
        SemiSupervisedDataset: _labelled_part,
        Pairs: _translation,
        Unpaired: _cycle,
        TabularDataset: _fairness,
    }
)


def _sample_table(run: Run, data: ArrayDataset, half: int) -> Any:
    """Compare samples with half of the data, and the other half with it for reference."""
    from rich.table import Table

    order = torch.randperm(len(data), generator=torch.Generator().manual_seed(0))
    real, held_out = data.rows(order[:half]), data.rows(order[half : 2 * half])
    of_samples = measure(real, run.sample(half, seed=0).cpu())
    of_held_out = measure(real, held_out)
    title = f"{half} against {half} real ones"
    table = Table("raw samples as vectors", "samples", "other real ones", title=title)
    for name in of_samples:
        table.add_row(name, f"{of_samples[name]:.4f}", f"{of_held_out[name]:.4f}")
    return table
