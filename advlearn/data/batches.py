"""Infinite batches in a shuffled order that resumes exactly."""

from collections.abc import Iterator
from typing import Any, Self, final

import torch
from torch import Tensor
from torch.utils.data import DataLoader, default_collate

from advlearn.core.arguments import Count, Natural, Seed, checked
from advlearn.data.columns import Columns
from advlearn.data.compound import Domains, SemiSupervisedDataset, ZippedBatches
from advlearn.data.items import Samples
from advlearn.data.loaders import collate_of
from advlearn.data.order import Order
from advlearn.data.pairs import Unpaired
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.value_range import floats

Batch = tuple[Tensor, ...]


@checked
def batches(
    source: Columns | StreamedDataset | Domains | SemiSupervisedDataset | Unpaired,
    batch_size: Count | None = None,
    *,
    seed: Seed = 0,
    device: torch.device | str = "cpu",
    rank: Natural = 0,
    world_size: Count = 1,
) -> "Batches | StreamedBatches | ZippedBatches":
    """Draw infinite batches from data of any form.

    Args:
        source: The data.
        batch_size: Samples in the joint batch of all processes, for each part of compound data (a
            smaller part is drawn whole); None takes the size of the user's loader.
        seed: Seed of the order.
        device: Device of the batches.
        rank: Index of this process.
        world_size: Number of processes; divides `batch_size`.

    Returns:
        `Batches` of data in memory, `StreamedBatches` of a `StreamedDataset`, or `ZippedBatches` of
        compound data.

    Raises:
        ValueError: No batch size, or one that is larger than the data or not a multiple of
            `world_size`; a rank out of range.

    Example:
        >>> from advlearn.data import ArrayDataset
        >>> stream = batches(ArrayDataset(torch.zeros(10, 2)), 4)
        >>> next(stream)[0].shape
        torch.Size([4, 2])
    """
    if isinstance(source, Domains | SemiSupervisedDataset | Unpaired):
        # Each part has a different order: equal orders would pair the same samples in every epoch.
        placement = {"device": device, "rank": rank, "world_size": world_size}
        parts = source.parts()
        sizes = [
            None if batch_size is None else min(batch_size, len(part) // world_size * world_size)
            for part in parts
        ]
        return ZippedBatches(
            [
                batches(part, size, seed=seed + 7919 * k, **placement)
                for k, (part, size) in enumerate(zip(parts, sizes, strict=True))
            ]
        )
    if isinstance(source, StreamedDataset):
        return StreamedBatches(
            source, batch_size, seed=seed, device=device, rank=rank, world_size=world_size
        )
    if batch_size is None:
        raise ValueError("batch_size: expected an int for data in memory, got None")
    return Batches(source, batch_size, seed=seed, device=device, rank=rank, world_size=world_size)


@final
@checked
@final
class Batches:
    """Draw infinite batches of data held on the device.

    The permutation is copied to the device once per epoch. A batch is one `index_select` per
    column, without host synchronisation. A run that continues with another number of processes
    draws the same joint batches.

    Args:
        source: The data; moved to `device`.
        batch_size: Samples in the joint batch of all processes.
        seed: Seed of the order.
        device: Device of the data.
        rank: Index of this process.
        world_size: Number of processes; divides `batch_size`.

    Raises:
        ValueError: `batch_size` is larger than the data or not a multiple of `world_size`; a rank
            out of range.

    Example:
        >>> from advlearn.data import ArrayDataset
        >>> stream = Batches(
        ...     ArrayDataset(torch.zeros(10, 2), torch.zeros(10, dtype=torch.int64), classes=1), 4
        ... )
        >>> [part.shape for part in next(stream)]
        [torch.Size([4, 2]), torch.Size([4])]
    """

    def __init__(
        self,
        source: Columns,
        batch_size: Count,
        *,
        seed: Seed = 0,
        device: torch.device | str = "cpu",
        rank: Natural = 0,
        world_size: Count = 1,
    ) -> None:
        self.source = source
        # Captured steps of several processes ask for it.
        self.same_shapes = True
        self.device = torch.device(device)
        self.order = Order(
            len(source),
            batch_size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            weights=getattr(source, "weights", None),
        )
        # A memory-mapped file is read batch by batch, since it may be larger than the memory.
        self.is_mapped = bool(getattr(source, "mapped", False))
        home = torch.device("cpu") if self.is_mapped else self.device
        self.columns = tuple(column.to(home) for column in source.columns)
        self.mirrors = bool(getattr(source, "mirror", False))
        self._indices: Tensor | None = None
        self._mirrored: Tensor | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.order.per_epoch

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.order.start_epoch_if_done() or self._indices is None:
            self._indices = self.order.indices().to(self.columns[0].device)
            self._mirrored = self.order.mirrored().to(self.device) if self.mirrors else None
        chosen = self._indices[self.order.position]
        flips = None if self._mirrored is None else self._mirrored[self.order.position]
        self.order.position += 1
        rows = [column.index_select(0, chosen) for column in self.columns]
        if self.is_mapped:
            rows = [part.to(self.device, non_blocking=True) for part in rows]
        return finished(rows, flips)

    def state_dict(self) -> dict[str, int]:
        """Return the position in the order, as plain ints."""
        return self.order.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position with the batch that would have followed."""
        self.order.load_state_dict(state)
        self._indices = None


@checked
@final
class StreamedBatches:
    """Draw infinite batches sample by sample through a torch DataLoader.

    The order of the samples resumes exactly; random transforms inside a user's data set do not.

    Args:
        source: The data.
        batch_size: Samples in the joint batch of all processes; None takes the size of the user's
            loader.
        seed: Seed of the order.
        device: Device of the batches.
        rank: Index of this process.
        world_size: Number of processes; divides `batch_size`.

    Raises:
        ValueError: As `Batches`; no batch size and no user's loader.

    Example:
        >>> from advlearn.data import load
        >>> loader = DataLoader(torch.utils.data.TensorDataset(torch.zeros(10, 2)), batch_size=5)
        >>> next(StreamedBatches(load(loader)))[0].shape
        torch.Size([5, 2])
    """

    def __init__(
        self,
        source: StreamedDataset,
        batch_size: Count | None = None,
        *,
        seed: Seed = 0,
        device: torch.device | str = "cpu",
        rank: Natural = 0,
        world_size: Count = 1,
    ) -> None:
        size = source.batch_size if batch_size is None else batch_size
        if size is None:
            raise ValueError("batch_size: expected an int for data without a DataLoader, got None")
        self.source = source
        # Captured steps of several processes ask for it; a user's collation may pad each batch.
        loader = source.loader
        self.same_shapes = loader is None or loader.collate_fn is default_collate
        self.device = torch.device(device)
        self.order = Order(
            len(source),
            size,
            seed=seed,
            rank=rank,
            world_size=world_size,
            shuffle=source.shuffle,
            weights=source.weights,
        )
        self._rest: Iterator[Any] | None = None
        self._mirrored: Tensor | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.order.per_epoch

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.order.start_epoch_if_done() or self._rest is None:
            self._rest = iter(self._loader())
            mirrors = self.source.mirror
            self._mirrored = self.order.mirrored().to(self.device) if mirrors else None
        batch = next(self._rest)
        flips = None if self._mirrored is None else self._mirrored[self.order.position]
        self.order.position += 1
        return finished([part.to(self.device, non_blocking=True) for part in batch], flips)

    def state_dict(self) -> dict[str, int]:
        """Return the position in the order, as plain ints."""
        return self.order.state_dict()

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position with the samples that would have followed."""
        self.order.load_state_dict(state)
        self._rest = None

    def _loader(self) -> DataLoader[Any]:
        """Build a loader of the rest of this epoch."""
        loader = self.source.loader
        # The private generator seeds the workers; without it the loader uses the global one.
        generator = torch.Generator().manual_seed((self.order.seed + self.order.epoch) % 2**32)
        rest = self.order.indices()[self.order.position :].tolist()
        pin = self.device.type == "cuda"
        if loader is None:
            return DataLoader(
                Samples(
                    self.source.dataset, self.source.items, self.source.reading, self.source.index
                ),
                batch_sampler=rest,
                generator=generator,
                pin_memory=pin,
            )
        return DataLoader(
            self.source.dataset,
            batch_sampler=rest,
            collate_fn=collate_of(self.source),
            num_workers=loader.num_workers,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            prefetch_factor=loader.prefetch_factor,
            timeout=loader.timeout,
            generator=generator,
            pin_memory=pin or loader.pin_memory,
        )


def finished(rows: list[Tensor], flips: Tensor | None) -> Batch:
    """Scale pixels on the device and mirror images where `flips` is true."""
    x = floats(rows[0])
    if flips is not None:
        x = torch.where(flips[:, None, None, None], x.flip(-1), x)
    return (x, *rows[1:])
