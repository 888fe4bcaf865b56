"""The plot of a run's samples, with real ones and by class where there are classes."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from advlearn.data import ArrayDataset
from advlearn.plots.sample_sheet import Images, SampleSheets
from advlearn.training.periodic_plot import PeriodicPlot
from advlearn.training.samples import SampleGrid

SAMPLES = 64
"""Number of samples of a plot without classes."""
MOST_CLASSES = 12
"""Largest number of classes in a plot."""
OF_CLASS = 8
"""Number of samples of each class."""


def sample_plot(
    folder: Path, every: int, task: Any, model: Callable[[], Any], source: Any, name: str
) -> PeriodicPlot:
    """Return the callback that draws a run's samples.

    Args:
        folder: Folder of the run.
        every: Training steps between two plots.
        task: The task.
        model: Function that returns the task with averaged weights.
        source: The training data; targets have precedence over inputs.
        name: Words in the title of each picture.
    """
    shape = getattr(source, "target_shape", source.shape)
    if len(shape) == 1:
        return SampleGrid(
            folder, every, samples=lambda: model().sample(SAMPLES), real=real_images(source)
        )
    classes = torch.arange(min(MOST_CLASSES, classes_of_generator(task)))
    labels = classes.repeat_interleave(OF_CLASS)

    def samples() -> Images:
        if not len(labels):
            return Images(model().sample(SAMPLES))
        return Images(model().sample(len(labels), labels), labels)

    return SampleSheets(
        folder,
        every,
        samples=samples,
        real=_real_by_class(source, labels) if len(labels) else _real(source),
        name=name,
        class_names=getattr(source, "class_names", ()),
    )


def real_images(source: Any) -> Tensor | None:
    """Return the first samples of data that is held in memory; None of other data."""
    return source.rows(slice(SAMPLES)) if isinstance(source, ArrayDataset) else None


def classes_of_generator(model: Any) -> int:
    """Return the number of classes that a task's generator is conditioned on; 0 for none."""
    decode = getattr(model, "decode", None)
    if decode is None or "labels" not in inspect.signature(decode).parameters:
        return 0
    return getattr(model, "classes", 0)


def _real(source: Any) -> Images | None:
    x = real_images(source)
    return None if x is None else Images(x)


def _real_by_class(source: Any, labels: Tensor) -> Images | None:
    """Return the first samples of each class; None where the data holds no classes."""
    if not isinstance(source, ArrayDataset) or source.y is None or not source.classes:
        return None
    places = [torch.nonzero(source.y == k)[:OF_CLASS, 0] for k in labels.unique()]
    chosen = torch.cat(places)
    return Images(source.rows(chosen), source.y[chosen])
