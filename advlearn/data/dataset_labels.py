"""Labels of users' data sets: their names, and the class of every sample."""

from typing import Any

import torch
from torch.utils.data import Subset, TensorDataset

from advlearn.data.class_labels import Labels
from advlearn.data.items import ItemReader, draw, index_of, labels_of, plain_label


def names_of(dataset: Any) -> tuple[str, ...]:
    """Return the names that a data set gives to its classes; empty where it has none."""
    while isinstance(dataset, Subset):
        dataset = dataset.dataset
    names = getattr(dataset, "classes", None)
    if names is None:
        features = getattr(dataset, "features", None)
        columns: Any = [] if features is None else getattr(features, "values", list)()
        names = next((f.names for f in columns if getattr(f, "names", None)), None)
    return () if names is None or isinstance(names, int) else tuple(map(str, names))


def labels_of_all(dataset: Any, items: ItemReader, *, scan: bool) -> tuple[Labels, Any]:
    """Return the labels of all samples and the class index of each, from targets or samples."""
    names = names_of(dataset)
    values = _targets(dataset)
    if values is None and names:
        return Labels(torch.empty(0), len(names), names), None
    if values is None:
        if not scan:
            raise ValueError(
                "data: expected an attribute `classes` or `targets` on "
                f"{type(dataset).__name__}, got neither; the data is too big to read its labels "
                "from the samples"
            )
        values = [items.parts(draw(dataset, index))[1] for index in range(len(dataset))]
    plain = [plain_label(value) for value in values]
    labels = labels_of(plain, names)
    return labels, (index_of(labels, plain) if labels.classes else None)


def _targets(dataset: Any) -> Any:
    """Return the labels that a data set lists, or None."""
    if isinstance(dataset, Subset):
        whole = _targets(dataset.dataset)
        return None if whole is None else [whole[index] for index in dataset.indices]
    if isinstance(dataset, TensorDataset):
        return list(dataset.tensors[1])
    targets = getattr(dataset, "targets", None)
    return None if targets is None else list(targets)
