"""Batches of several runs on the same data, stacked to one."""

from collections.abc import Iterator, Sequence
from typing import Any, Self, cast, final

import torch
from torch import Tensor

from advlearn.data.batches import Batches, finished
from advlearn.data.compound import ZippedBatches

Batch = tuple[Tensor, ...]


@final
class StackedBatches:
    """Draw the next batch of each of several runs, stacked.

    The runs hold the same data and are at the same place of their orders, which this stream
    advances. Data that all runs share is gathered by one operation for each column.

    Args:
        streams: The streams of the runs.

    Raises:
        TypeError: If the data is not held in memory.

    Example:
        >>> from advlearn.data import ArrayDataset
        >>> data = ArrayDataset(torch.zeros(10, 2))
        >>> stream = StackedBatches([Batches(data, 4, seed=seed) for seed in range(3)])
        >>> next(stream)[0].shape
        torch.Size([3, 4, 2])
    """

    def __init__(self, streams: Sequence[Any]) -> None:
        self._parts: list[StackedBatches | _OneSource] = []
        if all(isinstance(stream, ZippedBatches) for stream in streams):
            of_each = [cast(ZippedBatches, stream).streams for stream in streams]
            self._parts += [StackedBatches(same) for same in zip(*of_each, strict=True)]
        elif all(isinstance(stream, Batches) and not stream.is_mapped for stream in streams):
            self._parts.append(_OneSource(streams))
        else:
            raise TypeError("data: expected data in memory, got samples that are read one by one")

    def __iter__(self) -> Iterator[Batch]:
        return self

    def __next__(self) -> Batch:
        return tuple(tensor for part in self._parts for tensor in next(part))


@final
class _OneSource:
    """Draw the batches of several runs from data in memory.

    Args:
        streams: The streams of the runs.
    """

    def __init__(self, streams: Sequence[Batches]) -> None:
        first = streams[0]
        self._streams = streams
        self._orders = [stream.order for stream in streams]
        if all(stream.source is first.source for stream in streams):
            # On a GPU each stream would hold a copy.
            for stream in streams:
                stream.columns = first.columns
        self._shared = all(stream.columns is first.columns for stream in streams)
        self._indices: Tensor | None = None
        self._mirrored: Tensor | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if not self._shared:
            each = [next(stream) for stream in self._streams]
            return tuple(torch.stack(column) for column in zip(*each, strict=True))
        first, order = self._streams[0], self._orders[0]
        started = [own.start_epoch_if_done() for own in self._orders]
        if started[0] or self._indices is None:
            self._indices = torch.stack([o.indices() for o in self._orders]).to(first.device)
            if first.mirrors:
                mirrored = torch.stack([o.mirrored() for o in self._orders])
                self._mirrored = mirrored.to(first.device)
        chosen = self._indices[:, order.position]
        flips = None if self._mirrored is None else self._mirrored[:, order.position].flatten()
        for own in self._orders:
            own.position += 1
        rows = [column.index_select(0, chosen.flatten()) for column in first.columns]
        return tuple(row.unflatten(0, chosen.shape) for row in finished(rows, flips))
