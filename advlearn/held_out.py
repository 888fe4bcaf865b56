"""Hold out a part of the training data, and evaluate a run on it while it trains."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, cast, final

import torch
from torch import Tensor

from advlearn.core.callback import Callback
from advlearn.data import ArrayDataset, Pairs
from advlearn.report import COUNT, measure
from advlearn.training.evaluation import Evaluation
from advlearn.training.keep_best_model import KeepBestModel

Keep = Literal["last", "best"]

SHARE = 10
"""One of this many samples is held out."""
SMALLEST = 6
"""The metrics compare with the fifth nearest neighbour."""


@final
@dataclass(frozen=True, slots=True)
class HeldOut:
    """The data that is left to train on, and the callbacks that evaluate on the rest.

    Attributes:
        source: The training data without the held-out part.
        callbacks: The evaluation and, with ``keep="best"``, `KeepBestModel`.
    """

    source: Any
    callbacks: list[Callback]


def hold_out(source: Any, task: type | Any, every: int, keep: Keep) -> HeldOut:
    """Hold out a tenth of the data, at most 1,000 samples, and evaluate on it.

    Args:
        source: Training data: samples of a task that generates, samples with classes of a task that
            predicts, or pairs.
        task: The task, or its class.
        every: Training steps between two evaluations.
        keep: Whether the run ends with the last model or with the best one.

    Returns:
        The remaining data and the callbacks.

    Raises:
        ValueError: Too few samples, or data of another form.
    """
    evaluate, higher_is_better = _measure(source, task)
    size = min(COUNT, len(source) // SHARE)
    if size < SMALLEST:
        raise ValueError(
            f"evaluate: expected data of at least {SMALLEST * SHARE} samples, one in {SHARE} of "
            f"which is held out, got {len(source)}; leave it out"
        )
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(0))
    held_out, rest = _rows(source, order[:size]), _rows(source, order[size:].sort().values)
    evaluation = Evaluation(lambda model: evaluate(model, held_out), every)
    best = KeepBestModel(lambda _: evaluation.value, every, higher_is_better)
    return HeldOut(rest, [evaluation, best] if keep == "best" else [evaluation])


def _measure(source: Any, task: Any) -> tuple[Callable[[Any, Any], dict[str, float]], bool]:
    """Return a measure of a model on held-out data, and whether a higher first value is better."""
    if isinstance(source, ArrayDataset) and hasattr(task, "sample"):
        return _samples, False
    if isinstance(source, ArrayDataset) and source.classes and hasattr(task, "predict"):
        return _accuracy, True
    if isinstance(source, Pairs):
        return _difference, False
    raise ValueError(
        "evaluate: expected data of samples to generate, samples with classes, or pairs, got "
        f"{type(source).__name__}; pass callbacks=[KeepBestModel(...)] with a measure"
    )


def _samples(model: Any, held_out: ArrayDataset) -> dict[str, float]:
    fake = cast(Tensor, model.sample(len(held_out)))
    figures = measure(held_out.x, fake.cpu())
    return {f"{name} (raw samples)": value for name, value in figures.items()}


def _accuracy(model: Any, held_out: ArrayDataset) -> dict[str, float]:
    from advlearn.metrics import accuracy

    return {"accuracy": accuracy(_predictions(model, held_out.x), cast(Tensor, held_out.y))}


def _difference(model: Any, held_out: Pairs) -> dict[str, float]:
    outputs = _predictions(model, held_out.x)
    return {"mean absolute difference": float((outputs - held_out.y).abs().mean())}


def _predictions(model: Any, x: Tensor) -> Tensor:
    return torch.cat([model.predict(part).cpu() for part in x.split(256)])


def _rows(source: Any, index: Tensor) -> Any:
    if isinstance(source, ArrayDataset):
        return source.part(index)
    return replace(source, x=source.x[index], y=source.y[index])
