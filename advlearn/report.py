"""What a run measured, printed as one table beside the same figures of real data."""

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
    names,
)
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
    """Print what `run` measured: samples beside real ones, predictions on the test part where there is one."""
    from rich.console import Console
    from rich.table import Table as Printed

    console = Console()
    opened = getattr(type(run.task), "load_data", load_data)(data)
    if isinstance(opened, ArrayDataset) and hasattr(run.ema_model, "sample"):
        console.print(_samples(run, opened))
    elif not isinstance(opened, StreamedDataset) and hasattr(run.ema_model, "predict"):
        tested = _test_part(data, opened, getattr(type(run.task), "load_data", load_data))
        figures = evaluate(run, tested)
        where = " on the training data" if tested is opened else ""
        table = Printed("measured", "value", title=f"{tested.name}: predictions{where}")
        for name, value in figures.items():
            table.add_row(name, f"{value:.4f}")
        console.print(table)
    for name, health in run.health().items():
        console.print(f"{name}: {health.verdict}", highlight=False)
    if run.out is not None:
        console.print(f"files: {run.out}", highlight=False)
        for path in sorted(run.out.iterdir()):
            console.print(f"  {path}", highlight=False)


def evaluate(
    run: Run,
    data: Domains | TabularDataset | SemiSupervisedDataset | Pairs | Unpaired | ArrayDataset,
) -> dict[str, float]:
    """How good the run's predictions are on data of its own kind.

    Args:
        run: A run of a task that predicts or translates.
        data: Domains with a labelled target, a table, partly labelled data (whose labelled part
            counts: what it was trained on), pairs, two unpaired sets, or samples with the number of
            what belongs to each.

    Returns:
        Accuracies, or for a regressor the root mean squared error, and differences between groups,
        or tenths of the samples by an attribute of numbers, by name (for many classes that of the
        class that differs most); of translations the mean absolute difference from the target, or
        from what went there and back.
    """
    if isinstance(data, Pairs):
        found = run.predict(data.x[:COUNT]).cpu()
        return {"mean absolute difference": float((found - data.y[:COUNT]).abs().mean())}
    if isinstance(data, Unpaired):
        return _there_and_back(run, data)
    if isinstance(data, ArrayDataset):
        return {f"accuracy on {data.name}": _accuracy(run, data)}
    if isinstance(data, Domains):
        named = {f"accuracy on {part.name}": part for part in (*data.sources, data.target)}
        return {
            name: _accuracy(run, part)
            for name, part in named.items()
            if isinstance(part, ArrayDataset) and part.classes
        }
    if isinstance(data, SemiSupervisedDataset):
        few = data.labelled
        return {f"accuracy on {few.name}, the {len(few)} labels trained on": _accuracy(run, few)}
    return _fairness(run, data)


def _there_and_back(run: Run, data: Unpaired) -> dict[str, float]:
    """How far what went through both translations lies from where it began."""
    player, figures = cast(Any, run.ema_model), dict[str, float]()
    for part, there, back in ((data.a, "b", "a"), (data.b, "a", "b")):
        if isinstance(part, ArrayDataset):
            x = part.x[:COUNT]
            found = player.predict(player.predict(x, there), back).cpu()
            figures[f"there and back, {part.name}: mean absolute difference"] = float(
                (found - x).abs().mean()
            )
    return figures


def _fairness(run: Run, table: TabularDataset) -> dict[str, float]:
    from advlearn import metrics

    outputs = run.predict(table.x).cpu()
    decided = outputs.argmax(1) if outputs.ndim > 1 else (outputs > 0).long()
    if table.classes:
        figures, kind = {"accuracy": metrics.accuracy(decided, table.y)}, "demographic parity"
        shown = [decided == k for k in range(table.classes)]
    else:
        error = (outputs - table.y).square().mean().sqrt()
        figures, kind, shown = {"root mean squared error": float(error)}, "mean", [outputs]
    for name, groups in table.attributes.items():
        by = table.sensitive[name]
        # A part of the data may have one group, or one tenth, alone.
        if groups and len(by.unique()) > 1:
            figures[f"{name}: {kind} difference"] = max(
                metrics.mean_difference(part, by) for part in shown
            )
            if table.classes == 2:
                figures[f"{name}: equalized odds difference"] = metrics.equalized_odds_difference(
                    table.y, decided, by
                )
        elif not groups and bool((by > by.quantile(0.1)).any()):
            differences = [metrics.quantile_difference(part, by) for part in shown]
            figures[f"{name}: {kind} difference between tenths"] = max(differences)
    return figures


def _accuracy(run: Run, part: Any) -> float:
    from advlearn.metrics import accuracy

    return accuracy(run.predict(part.x).cpu(), part.y)


def _test_part(data: Any, opened: Any, open_: Any) -> Any:
    """The test part of data that was named and has one; samples whose labels were left out; else the data itself."""
    if isinstance(opened, SemiSupervisedDataset):
        name = data.rpartition(":")[0] if isinstance(data, str) else ""
        if f"{name}-test" in names():
            return load_data(f"{name}-test")
        return _left_out(opened.labelled, load_data(name) if name else opened.unlabelled) or opened
    if not isinstance(data, str):
        return opened
    if isinstance(opened, Pairs):
        kind, _, name = data.partition(":")
        return open_(f"{kind}:{name}-test") if f"{name}-test" in names() else opened
    if isinstance(opened, Unpaired):
        tests = [f"{name.strip()}-test" for name in data.split("<->")]
        return open_(" <-> ".join(tests)) if all(name in names() for name in tests) else opened
    parts = [name.strip() for name in data.replace("->", ",").split(",")]
    if not all(f"{part}-test" in names() for part in parts):
        return opened
    tests = [f"{part}-test" for part in parts]
    return open_(
        "->".join((",".join(tests[:-1]), tests[-1])) if isinstance(opened, Domains) else tests[0]
    )


def _left_out(labelled: Any, whole: Any) -> ArrayDataset | None:
    """The samples of labelled data that are not among those whose labels were trained on; None where there are none."""
    if (
        not isinstance(labelled, ArrayDataset)
        or not isinstance(whole, ArrayDataset)
        or whole.y is None
    ):
        return None
    taken = {row.numpy().tobytes() for row in labelled.x}
    others = torch.tensor([row.numpy().tobytes() not in taken for row in whole.x])
    if not others.any():
        return None
    name = f"{whole.name}, {int(others.sum())} samples whose labels were not seen"
    return ArrayDataset(whole.x[others], whole.y[others], name, whole.classes)


def _samples(run: Run, source: ArrayDataset) -> Any:
    """Samples against one half of the data, the other half beside them."""
    from rich.table import Table as Printed

    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))
    half = min(COUNT, len(source) // 2)
    one, other = source.x[order[:half]], source.x[order[half : 2 * half]]
    ours = measure(one, run.sample(half, seed=0).cpu())
    reals = measure(one, other)
    table = Printed(
        "raw samples as vectors",
        "samples",
        "other real ones",
        title=f"{half} against {half} real ones",
    )
    for name in ours:
        table.add_row(name, f"{ours[name]:.4f}", f"{reals[name]:.4f}")
    return table
