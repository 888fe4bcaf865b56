"""Give the classes of several data sets the same indices, by their names."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset

Part = ArrayDataset | StreamedDataset


def same_classes(sources: Sequence[Part], other: Part) -> list[Part]:
    """Map the labels of data sets to the classes of all sources together.

    Labels that are not 0 to K - 1 are mapped to class indices when a data set is opened, each set
    by itself. Here the user's labels are compared, so that one label has one index.

    Args:
        sources: Labelled data sets.
        other: Data whose labels, if any, are among those of the sources.

    Returns:
        The sources and the other data, with the same class indices.

    Raises:
        ValueError: A label of `other` that no source has.

    Example:
        >>> few = ArrayDataset(torch.zeros(1, 2), torch.tensor([0]), classes=1, class_names=("4",))
        >>> all_five = ArrayDataset(torch.zeros(5, 2), torch.arange(5), classes=5)
        >>> same_classes([all_five], few)[1].y
        tensor([4])
    """
    parts = [*sources, other]
    if len({part.class_names for part in parts if part.classes}) < 2:
        return parts
    known = {name for part in sources for name in _names(part)}
    names = tuple(sorted(known, key=_order))
    unknown = [name for name in _names(other) if name not in known]
    if unknown:
        raise ValueError(
            f"data: expected labels among {', '.join(names[:10])}, those of the sources, got "
            f"{unknown[0]!r} in {other.name!r}; give the classes the same labels"
        )
    return [_mapped(part, names) for part in parts]


def _names(part: Part) -> tuple[str, ...]:
    return part.class_names or tuple(map(str, range(part.classes)))


def _order(name: str) -> tuple[int, int, str]:
    """Order numbers before other names, by their value."""
    return (0, int(name), "") if name.isdecimal() else (1, 0, name)


def _mapped(part: Part, names: tuple[str, ...]) -> Part:
    if not part.classes or _names(part) == names:
        return part
    index = [names.index(name) for name in _names(part)]
    if isinstance(part, ArrayDataset):
        y = None if part.y is None else torch.tensor(index)[part.y]
        return replace(part, y=y, classes=len(names), class_names=names)
    labels = part.index or {k: k for k in range(part.classes)}
    mapped = {label: index[position] for label, position in labels.items()}
    return replace(part, index=mapped, classes=len(names), class_names=names)
