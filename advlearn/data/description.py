"""Describe in one line what was read from a user's data."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from advlearn.core.checks import describe_value
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset

MOST_CLASSES = 6
"""Number of classes that are listed with their counts."""


def describe_source(source: Any) -> str:
    """Describe data in one line: count, size, range, classes and how it is held.

    Args:
        source: Data that `load` or one of the other openers returned.

    Returns:
        The line.

    Example:
        >>> data = ArrayDataset(torch.zeros(4, 1, 8, 8), torch.tensor([0, 0, 0, 1]), "dots", 2)
        >>> describe_source(data)
        '4 images of 1x8x8, 2 classes (0: 3, 1: 1), in memory (1.0 KiB of float32)'
    """
    if isinstance(source, (ArrayDataset, StreamedDataset)):
        return ", ".join(_facts(source))
    parts = [part for part in _parts(source) if isinstance(part, (ArrayDataset, StreamedDataset))]
    if parts:
        return "; ".join(f"{part.name}: {', '.join(_facts(part))}" for part in parts)
    if not hasattr(source, "shape") or not hasattr(source, "__len__"):
        raise TypeError(
            f"source: expected data that load returned, got {describe_value(source)}; "
            "call load on it first"
        )
    shape = "x".join(map(str, source.shape))
    return f"{len(source)} samples of {shape}"


def _parts(source: Any) -> Sequence[Any]:
    if hasattr(source, "sources"):
        return (*source.sources, source.target)
    if hasattr(source, "labelled"):
        return (source.labelled, source.unlabelled)
    return (source.a, source.b) if hasattr(source, "a") else ()


def _facts(source: ArrayDataset | StreamedDataset) -> list[str]:
    noun = {1: "vectors", 2: "series", 3: "images", 4: "volumes"}.get(len(source.shape), "samples")
    facts = [f"{len(source)} {noun} of {'x'.join(map(str, source.shape))}", *source.notes]
    y = source.y if isinstance(source, ArrayDataset) else None
    if source.classes:
        facts.append(_classes(source.classes, source.class_names, y))
    elif isinstance(source, ArrayDataset) and source.vectors:
        facts.append(f"labels of {source.vectors} numbers")
    if source.mirror:
        facts.append("mirrored at random")
    if source.weights is not None:
        facts.append("drawn by weight")
    return [*facts, _held(source)]


def _classes(classes: int, names: Sequence[str], y: Tensor | None) -> str:
    if classes > MOST_CLASSES:
        return f"{classes} classes"
    names = names or [str(k) for k in range(classes)]
    if y is None:
        return f"{classes} classes ({', '.join(names)})"
    counts = torch.bincount(y.cpu(), minlength=classes).tolist()
    listed = (f"{name}: {count}" for name, count in zip(names, counts, strict=True))
    return f"{classes} classes ({', '.join(listed)})"


def _held(source: ArrayDataset | StreamedDataset) -> str:
    if isinstance(source, StreamedDataset):
        return "streamed"
    stored = source.stored
    kind = str(stored.dtype).removeprefix("torch.")
    size, unit = float(stored.numel() * stored.element_size()), "B"
    for unit in ("B", "KiB", "MiB", "GiB"):
        if size < 1024 or unit == "GiB":
            break
        size /= 1024
    return f"{'memory-mapped' if source.mapped else 'in memory'} ({size:.1f} {unit} of {kind})"
