"""Open data of which only some samples have a label."""

from typing import Any

import torch

from advlearn.core.arguments import Count, Seed, checked
from advlearn.core.checks import check_count, describe_value
from advlearn.data.aligned_classes import same_classes
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import SemiSupervisedDataset
from advlearn.data.load import load
from advlearn.data.names import expected, parse
from advlearn.data.to_tensor import array_of, samples
from advlearn.data.to_tensor import labels as to_labels


@checked
def few_labels(data: Any, count: Count, *, seed: Seed = 0) -> SemiSupervisedDataset:
    """Choose a few labels of a labelled data set at random, the same number of each class.

    Args:
        data: Labelled data that `load` takes, in memory.
        count: Number of labels, a multiple of the number of classes.
        seed: Seed of the choice.

    Returns:
        The chosen samples with their labels, and all samples as the unlabelled part.

    Raises:
        ValueError: Data without labels, or a count that the classes do not divide or cannot fill.

    Example:
        >>> data = few_labels("digits", 20)
        >>> len(data.labelled), len(data.unlabelled)
        (20, 1797)
    """
    whole = load(data)
    check_count("count", count)
    if not isinstance(whole, ArrayDataset) or not whole.classes or whole.y is None:
        raise ValueError(f"data: expected labelled data in memory, got {whole.name!r}")
    each = count // whole.classes
    if each * whole.classes != count:
        raise ValueError(
            f"data: expected a number of labels that its {whole.classes} classes divide, "
            f"got {count}"
        )
    order = torch.randperm(len(whole), generator=torch.Generator().manual_seed(seed))
    y = whole.y[order]
    fewest = int(torch.bincount(y, minlength=whole.classes).min())
    if each > fewest:
        raise ValueError(
            f"data: expected at most {fewest * whole.classes} labels, because a class of "
            f"{whole.name!r} has {fewest} samples, got {count}"
        )
    rows = torch.cat([order[y == k][:each] for k in range(whole.classes)])
    return SemiSupervisedDataset(whole.part(rows), whole)


@checked
def open_semi_supervised(data: Any, *, seed: Seed = 0) -> SemiSupervisedDataset:
    """Open labelled and unlabelled samples given in any form.

    Args:
        data: A string such as ``"mnist:100"``, see `few_labels`; a tuple (x, y) where y is -1
            without a label, the convention of scikit-learn; a tuple (labelled, unlabelled) of data
            that `load` takes; or `SemiSupervisedDataset`.
        seed: Seed of the choice of labels.

    Returns:
        The data. The unlabelled part holds all samples, including those with a label.

    Raises:
        ValueError: As `few_labels`; no label at all; or data of another form.

    Example:
        >>> len(open_semi_supervised("digits:20").labelled)
        20
    """
    if isinstance(data, SemiSupervisedDataset):
        return data
    if isinstance(data, str):
        name, count = parse(data, "few_labels")
        return few_labels(name, int(count), seed=seed)
    if not isinstance(data, tuple) or len(data) != 2:
        raise ValueError(
            f"data: expected {expected('few_labels')}, (x, y) or (labelled, unlabelled), "
            f"got {describe_value(data)}"
        )
    first, second = data
    if getattr(second, "ndim", 0) == 1 or isinstance(second, list):
        return _from_mask(first, second)
    labelled, unlabelled = same_classes([load(first)], load(second))
    return SemiSupervisedDataset(labelled, unlabelled)


def _from_mask(x: Any, y: Any) -> SemiSupervisedDataset:
    points, classes = samples(array_of(x, "data")), to_labels(array_of(y, "labels"))
    known = classes >= 0
    if classes.shape != (len(points),):
        raise ValueError(
            f"labels: expected shape ({len(points)},), one per sample, got {tuple(classes.shape)}"
        )
    if not bool(known.any()):
        raise ValueError("labels: expected some samples with a class, got -1 (unlabelled) for all")
    few = ArrayDataset(points[known], classes[known], "labelled", int(classes.max()) + 1)
    return SemiSupervisedDataset(few, ArrayDataset(points, None, "unlabelled"))
