"""Data in several parts: domains, or labelled samples and unlabelled ones."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Self, cast, final

import torch
from torch import Tensor

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.core.trainer import Stream
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.shapes import match_shapes
from advlearn.data.streamed_dataset import StreamedDataset

Part = ArrayDataset | StreamedDataset


@checked
@final
@dataclass(frozen=True, eq=False)
class Domains:
    """Hold one or more labelled source domains and a target domain.

    A batch is (x, y) of each source in turn, then (x, y) of the target, where y is `known`.
    The target's own labels are for evaluation and never reach a batch.

    Args:
        sources: Labelled data sets of the same shape and number of classes.
        target: Data of the same shape, in memory; labels are optional.
        known: Classes of the target samples that may be trained on, int64 (M,), -1 where unknown;
            None where all are unknown.
        loss_weights: Weight of each sample of each source in memory, float32 (N,), in the losses;
            None for equal weights. A batch of a source is then (x, y, weight).

    Raises:
        TypeError: A streamed target.
        ValueError: No source, a source without labels, shapes or classes that differ, `known` of
            another length or with a class that no source has.

    Example:
        >>> source = ArrayDataset(torch.zeros(4, 2), torch.tensor([0, 1, 0, 1]), "source", 2)
        >>> len(Domains((source,), ArrayDataset(torch.ones(3, 2))))
        3
    """

    sources: tuple[Part, ...]
    target: ArrayDataset
    known: Tensor | None = None
    loss_weights: tuple[Tensor, ...] | None = None
    name: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if not self.sources:
            raise ValueError("data: expected one or more source domains, got none")
        for source in self.sources:
            self._check_source(source)
        if self.target.classes > self.classes:
            raise ValueError(
                f"data: expected target labels below {self.classes}, the number of classes of the "
                f"sources, got class {self.target.classes - 1}"
            )
        if self.known is not None:
            _check_known(self.known, len(self.target), self.classes)
        names = ",".join(source.name for source in self.sources)
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
        """Return the data that batches are drawn from, in order."""
        sources = (
            self.sources
            if self.loss_weights is None
            else tuple(
                _Weighted(cast(ArrayDataset, part), weight)
                for part, weight in zip(self.sources, self.loss_weights, strict=True)
            )
        )
        return (*sources, _Target(self.target, self.known))

    def test(self) -> "Domains | None":
        """Load the test parts of all domains; None where a domain has none."""
        tests = [part.test() for part in (*self.sources, self.target)]
        if any(part is None for part in tests):
            return None
        *sources, target = match_shapes(cast(list[Part], tests))
        return Domains(tuple(sources), cast(ArrayDataset, target))

    def _check_source(self, source: Part) -> None:
        if not source.classes:
            raise ValueError(f"data: expected labels in source {source.name!r}, got none")
        if source.shape != self.target.shape:
            raise ValueError(
                f"data: expected samples of shape {self.shape} like the target's in source "
                f"{source.name!r}, got {source.shape}"
            )
        if source.classes != self.classes:
            raise ValueError(
                f"data: expected {self.classes} classes like {self.sources[0].name!r} in source "
                f"{source.name!r}, got {source.classes}"
            )


@checked
@final
@dataclass(frozen=True, eq=False)
class SemiSupervisedDataset:
    """Hold labelled samples and unlabelled ones.

    A batch is (x, y) of the labelled samples, then (x,) of the unlabelled ones.

    Args:
        labelled: Data with labels.
        unlabelled: Data of the same shape. Its labels, if any, never reach a batch; those of
            samples outside `labelled` serve for evaluation.

    Raises:
        ValueError: `labelled` has no labels, or the shapes differ.

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
                f"data: expected unlabelled samples of shape {self.labelled.shape} like the "
                f"labelled ones, got {self.unlabelled.shape}"
            )

    def __len__(self) -> int:
        return len(self.unlabelled)

    @property
    def name(self) -> str:
        """Name of the labelled data and its number of samples."""
        return f"{self.labelled.name}:{len(self.labelled)}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.labelled.shape

    @property
    def classes(self) -> int:
        """Number of classes."""
        return self.labelled.classes

    def parts(self) -> tuple[Part, Part]:
        """Return the data that batches are drawn from, in order."""
        return self.labelled, self.unlabelled.unlabelled()

    def test(self) -> ArrayDataset | None:
        """Load the test part of the labelled data, else take samples whose label is held out.

        Returns:
            Labelled samples outside `labelled`; None where there are none.
        """
        return self.labelled.test() or self._held_out()

    def _held_out(self) -> ArrayDataset | None:
        few, whole = self.labelled, self.unlabelled
        if not isinstance(few, ArrayDataset) or not isinstance(whole, ArrayDataset):
            return None
        if whole.y is None:
            return None
        used = {row.numpy().tobytes() for row in few.stored}
        held_out = torch.tensor([row.numpy().tobytes() not in used for row in whole.stored])
        if not held_out.any():
            return None
        name = f"{whole.name}, {int(held_out.sum())} samples whose labels are held out"
        return replace(whole.part(held_out, name), test_part=None)


@final
class ZippedBatches:
    """Draw one batch of each of several streams and join their tensors.

    Args:
        streams: One for each part.
    """

    def __init__(self, streams: Sequence[Stream]) -> None:
        self.streams = list(streams)
        self.same_shapes = all(getattr(stream, "same_shapes", False) for stream in self.streams)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> tuple[Tensor, ...]:
        return tuple(tensor for stream in self.streams for tensor in next(stream))

    def state_dict(self) -> dict[str, Any]:
        """Return the position in each stream."""
        return {str(k): stream.state_dict() for k, stream in enumerate(self.streams)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a saved position."""
        for k, stream in enumerate(self.streams):
            stream.load_state_dict(state[str(k)])


@final
class _Weighted:
    """A source domain in memory with the weights of its samples."""

    def __init__(self, source: ArrayDataset, weights: Tensor) -> None:
        self.columns = (*source.columns, weights)
        self.weights = source.weights
        self.mirror = source.mirror
        self.mapped = source.mapped

    def __len__(self) -> int:
        return len(self.columns[0])


@final
class _Target:
    """A target domain for training: labels that are not known are -1."""

    def __init__(self, target: ArrayDataset, known: Tensor | None) -> None:
        y = torch.full((len(target),), -1) if known is None else known
        self.columns = (target.stored, y)
        self.mirror = target.mirror
        self.mapped = target.mapped

    def __len__(self) -> int:
        return len(self.columns[0])


def _check_known(known: Tensor, samples: int, classes: int) -> None:
    if known.dtype != torch.int64 or known.shape != (samples,):
        raise ValueError(
            f"known: expected int64 ({samples},), a class or -1 for each target sample, "
            f"got {describe_value(known)}"
        )
    low, high = (int(value) for value in known.aminmax())
    if low < -1 or high >= classes:
        wrong = low if low < -1 else high
        raise ValueError(
            f"known: expected classes of the sources, [0, {classes}), or -1, got {wrong}"
        )
