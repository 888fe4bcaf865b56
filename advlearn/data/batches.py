"""Infinite batches in a shuffled order that resumes exactly."""

from collections.abc import Iterator
from typing import Any, Self, cast, final

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from advlearn.core.arguments import Count, Natural, Seed, checked
from advlearn.data.columns import Columns
from advlearn.data.compound import Domains, SemiSupervisedDataset, ZippedBatches
from advlearn.data.pairs import Unpaired
from advlearn.data.streamed_dataset import Collate, Samples, StreamedDataset

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
class Order:
    """Cut a new permutation of the samples into joint batches each epoch.

    The permutation of epoch e and seed s comes from a private CPU generator and does not depend on
    earlier draws. An incomplete batch at the end of an epoch is dropped. Every process computes the
    same permutation and takes its contiguous share of each joint batch.

    Args:
        samples: Number of samples N.
        batch_size: Samples in the joint batch B.
        seed: Seed of the permutations.
        rank: Index of this process.
        world_size: Number of processes W; divides B.
        shuffle: False goes through the samples in order.
    """

    def __init__(
        self,
        samples: int,
        batch_size: Count,
        *,
        seed: Seed = 0,
        rank: Natural = 0,
        world_size: Count = 1,
        shuffle: bool = True,
    ) -> None:
        if batch_size < 1 or world_size < 1 or batch_size % world_size:
            raise ValueError(
                f"batch_size: expected a positive multiple of world_size={world_size}, "
                f"got {batch_size}"
            )
        if batch_size > samples:
            raise ValueError(
                f"batch_size: expected at most the {samples} samples of the data, got {batch_size}"
            )
        if not 0 <= rank < world_size:
            raise ValueError(
                f"rank: expected 0 to {world_size - 1} with world_size={world_size}, got {rank}"
            )
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        self.shuffle = shuffle
        self.epoch = 0
        self.position = 0

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.samples // self.batch_size

    def indices(self) -> Tensor:
        """Return this process's sample indices of the current epoch, int64 (batches, B / W)."""
        if self.shuffle:
            # torch's CPU generator keeps 32 bits of a seed. With seed + epoch, run s + 1 would
            # repeat run s one epoch later; a large odd factor separates nearby seeds.
            generator = torch.Generator().manual_seed((self.seed * 0x9E3779B1 + self.epoch) % 2**32)
            order = torch.randperm(self.samples, generator=generator)
        else:
            order = torch.arange(self.samples)
        share = self.batch_size // self.world_size
        joint = order[: self.per_epoch * self.batch_size].view(self.per_epoch, self.batch_size)
        return joint[:, self.rank * share : (self.rank + 1) * share].contiguous()

    def start_epoch_if_done(self) -> bool:
        """Start the next epoch after the last batch of this one; return whether it did."""
        if self.position < self.per_epoch:
            return False
        self.epoch, self.position = self.epoch + 1, 0
        return True

    def state_dict(self) -> dict[str, int]:
        """Return the position in the order, and the settings it is valid for: plain ints."""
        keys = ("epoch", "position", "seed", "samples", "batch_size")
        return {key: getattr(self, key) for key in keys}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Continue from a saved position.

        Args:
            state: State of an order of the same data and batch size.

        Raises:
            ValueError: A state of other data or another batch size, or an incomplete one.
        """
        missing = {"epoch", "position", "seed", "samples", "batch_size"} - state.keys()
        if missing:
            raise ValueError(
                f"state: expected the keys of a data order, got a state without "
                f"{', '.join(sorted(missing))}"
            )
        for key in ("samples", "batch_size"):
            if state[key] != getattr(self, key):
                raise ValueError(
                    f"state: expected {key}={getattr(self, key)} like this run, got {state[key]}"
                )
        self.epoch, self.position, self.seed = state["epoch"], state["position"], state["seed"]


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
        self.device = torch.device(device)
        self.order = Order(len(source), batch_size, seed=seed, rank=rank, world_size=world_size)
        self.columns = tuple(column.to(self.device) for column in source.columns)
        self._indices: Tensor | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.order.per_epoch

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.order.start_epoch_if_done() or self._indices is None:
            self._indices = self.order.indices().to(self.device)
        chosen = self._indices[self.order.position]
        self.order.position += 1
        return tuple(column.index_select(0, chosen) for column in self.columns)

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
        self.device = torch.device(device)
        self.order = Order(
            len(source), size, seed=seed, rank=rank, world_size=world_size, shuffle=source.shuffle
        )
        self._rest: Iterator[Any] | None = None

    @property
    def per_epoch(self) -> int:
        """Batches in one epoch."""
        return self.order.per_epoch

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.order.start_epoch_if_done() or self._rest is None:
            self._rest = iter(self._loader())
        batch = next(self._rest)
        self.order.position += 1
        return cast(Batch, tuple(part.to(self.device, non_blocking=True) for part in batch))

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
                Samples(self.source.dataset),
                batch_sampler=rest,
                generator=generator,
                pin_memory=pin,
            )
        return DataLoader(
            self.source.dataset,
            batch_sampler=rest,
            collate_fn=Collate(loader.collate_fn),
            num_workers=loader.num_workers,
            worker_init_fn=loader.worker_init_fn,
            multiprocessing_context=loader.multiprocessing_context,
            prefetch_factor=loader.prefetch_factor,
            timeout=loader.timeout,
            generator=generator,
            pin_memory=pin or loader.pin_memory,
        )
