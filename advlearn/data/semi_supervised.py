"""One door for data with few labels."""

from typing import Any

import numpy as np
import torch

from advlearn.data.array_dataset import ArrayDataset, show
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.data.load import load
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.to_tensor import labels as to_labels
from advlearn.data.to_tensor import samples


def open_partly(data: Any, *, seed: int = 0) -> SemiSupervisedDataset:
    """Read labelled and unlabelled samples.

    Args:
        data: ``"mnist:100"``: so many labels of a named data set, as many of each class; a tuple
            (x, y) where y is -1 without a label, as scikit-learn has it; a tuple (labelled,
            unlabelled) of whatever `load` takes; or `SemiSupervisedDataset`.
        seed: Seed of the choice of labels.

    Returns:
        The data. Unlabelled are all samples, those with a label among them.

    Raises:
        ValueError: A number of labels that is no multiple of the classes or larger than the data;
        no label at all.

    Example:
        >>> data = open_partly("digits:20")
        >>> len(data.labelled), len(data.unlabelled)
        (20, 1797)
    """
    if isinstance(data, SemiSupervisedDataset):
        return data
    if isinstance(data, str):
        name, _, count = data.rpartition(":")
        if not name or not count.isdigit():
            raise ValueError(
                f"data: expected a name and a number of labels such as 'mnist:100', got {data!r}"
            )
        return _chosen(load(name), int(count), seed)
    if not isinstance(data, tuple) or len(data) != 2:
        raise ValueError(
            f"data: expected 'name:labels', (x, y) or (labelled, unlabelled), got {show(data)}"
        )
    first, second = data
    if getattr(second, "ndim", 0) == 1 or isinstance(second, list):
        return _masked(first, second)
    return SemiSupervisedDataset(load(first), load(second))


def _chosen(source: ArrayDataset | StreamedDataset, count: int, seed: int) -> SemiSupervisedDataset:
    if not isinstance(source, ArrayDataset) or source.y is None:
        raise ValueError(f"data: expected labelled data in memory, got {source.name!r}")
    each = count // source.classes
    if each * source.classes != count or each < 1:
        raise ValueError(
            f"data: expected a multiple of {source.classes} labels, the classes, got {count}"
        )
    order = torch.randperm(len(source), generator=torch.Generator().manual_seed(seed))
    y = source.y[order]
    fewest = int(torch.bincount(y, minlength=source.classes).min())
    if each > fewest:
        raise ValueError(
            f"data: a class of {source.name!r} has {fewest} samples, too few for {count} labels"
        )
    rows = torch.cat([order[y == k][:each] for k in range(source.classes)])
    few = ArrayDataset(source.x[rows], source.y[rows], source.name, source.classes)
    return SemiSupervisedDataset(few, ArrayDataset(source.x, None, source.name))


def _masked(x: Any, y: Any) -> SemiSupervisedDataset:
    points, classes = samples(np.asarray(x)), to_labels(np.asarray(y))
    known = classes >= 0
    if classes.shape != (len(points),):
        raise ValueError(
            f"labels: expected shape ({len(points)},), one a sample, got {tuple(classes.shape)}"
        )
    if not bool(known.any()):
        raise ValueError("labels: expected some samples with a class, got -1 (unlabelled) for all")
    few = ArrayDataset(points[known], classes[known], "labelled", int(classes.max()) + 1)
    return SemiSupervisedDataset(few, ArrayDataset(points, None, "unlabelled"))
