"""Data in several parts: domains, or a few labelled samples beside many without."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self, final

import torch
from torch import Tensor

from advlearn.core.trainer import Stream
from advlearn.data.array_dataset import ArrayDataset, show
from advlearn.data.streamed_dataset import StreamedDataset

Part = ArrayDataset | StreamedDataset


@final
@dataclass(frozen=True, eq=False)
class Domains:
    """One or more labelled source domains and a target domain.

    A batch is (x, y) of each source in turn, then (x, y) of the target, where y is what is `known`.
    The target's own labels are for evaluation and never reach a batch.

    Args:
        sources: Labelled data of one shape and number of classes each.
        target: Data of the same shape, in memory; labels are optional.
        known: Classes of the target samples that may be trained on, int64 (M,), -1 where unknown;
            None where all are.

    Raises:
        TypeError: A target that is drawn lazily.
        ValueError: No source, a source without labels, shapes or classes that differ, `known` of
            another length or with a class that no source has.

    Example:
        >>> one = ArrayDataset(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]), "one", 2)
        >>> len(Domains((one,), ArrayDataset(torch.ones(3, 2))))
        3
    """

    sources: tuple[Part, ...]
    target: ArrayDataset
    known: Tensor | None = None
    name: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError(
                "data: expected one or more source domains and a target, got no source"
            )
        if not isinstance(self.target, ArrayDataset):
            raise TypeError(
                "data: expected a target domain in memory, got one that is drawn lazily"
            )
        for source in self.sources:
            if not source.classes:
                raise ValueError(
                    f"data: source domain {source.name!r} has no labels; expected a class for each sample"
                )
            if source.shape != self.target.shape:
                raise ValueError(
                    f"data: source {source.name!r} has shape {source.shape}, not the target's {self.shape}"
                )
            if source.classes != self.classes:
                counts = f"{source.classes} classes, {self.sources[0].name!r} has {self.classes}"
                raise ValueError(f"data: source {source.name!r} has {counts}")
        if self.target.classes > self.classes:
            raise ValueError(
                f"data: the target has labels up to class {self.target.classes - 1}, the sources none above "
                f"{self.classes - 1}"
            )
        if self.known is not None:
            _check_known(self.known, len(self.target), self.classes)
        names = ",".join(s.name for s in self.sources)
        object.__setattr__(self, "name", f"{names}->{self.target.name}")

    def __len__(self) -> int:
        return min(len(part) for part in (*self.sources, self.target))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.target.shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.sources[0].classes

    def parts(self) -> tuple[Any, ...]:
        """What batches are drawn from, in order."""
        return (*self.sources, _Unlabelled(self.target, self.known))


@final
@dataclass(frozen=True, eq=False)
class SemiSupervisedDataset:
    """A few samples with their class and many without.

    A batch is (x, y) of the labelled samples, then (x,) of the others.

    Args:
        labelled: Data with labels.
        unlabelled: Data of the same shape; its labels, if any, are left out.

    Raises:
        ValueError: If `labelled` has no labels, or the shapes differ.

    Example:
        >>> few = ArrayDataset(torch.zeros(2, 3), torch.tensor([0, 1]), "few", 2)
        >>> SemiSupervisedDataset(few, ArrayDataset(torch.zeros(9, 3))).classes
        2
    """

    labelled: Part
    unlabelled: Part

    def __post_init__(self) -> None:
        if not self.labelled.classes:
            raise ValueError("data: expected labels in the labelled part, got none")
        if self.labelled.shape != self.unlabelled.shape:
            raise ValueError(
                f"data: labelled samples have shape {self.labelled.shape}, the others {self.unlabelled.shape}"
            )

    def __len__(self) -> int:
        return len(self.unlabelled)

    @property
    def name(self) -> str:
        """Name of the labelled data, and how many samples it has."""
        return f"{self.labelled.name}:{len(self.labelled)}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.labelled.shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.labelled.classes

    def parts(self) -> tuple[Any, ...]:
        """What batches are drawn from, in order."""
        others = self.unlabelled
        return (
            self.labelled,
            ArrayDataset(others.x, None, others.name)
            if isinstance(others, ArrayDataset)
            else others,
        )


@final
class ZippedBatches:
    """Batches of several streams, side by side.

    Args:
        streams: One for each part.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = list(streams)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        return tuple(tensor for stream in self.streams for tensor in next(stream))

    def state_dict(self) -> dict[str, Any]:
        """Return the place in each stream."""
        return {str(k): stream.state_dict() for k, stream in enumerate(self.streams)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved place."""
        for k, stream in enumerate(self.streams):
            stream.load_state_dict(state[str(k)])


@final
class _Unlabelled:
    """A target domain as training sees it: -1 in the place of every label that is not known."""

    def __init__(self, target: ArrayDataset, known: Tensor | None) -> None:
        self.columns = (target.x, torch.full((len(target),), -1) if known is None else known)

    def __len__(self) -> int:
        return len(self.columns[0])


def _check_known(known: Tensor, samples: int, classes: int) -> None:
    if known.dtype != torch.int64 or known.shape != (samples,):
        expected = f"int64 ({samples},), a class or -1 for each target sample"
        raise ValueError(f"known: expected {expected}, got {show(known)}")
    low, high = (int(value) for value in known.aminmax())
    if low < -1 or high >= classes:
        odd = low if low < -1 else high
        raise ValueError(
            f"known: expected classes of the sources, [0, {classes}), or -1, got {odd}"
        )
