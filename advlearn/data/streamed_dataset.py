"""Data drawn sample by sample: map-style data sets too big for memory, and users' loaders."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast, final

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from advlearn.core.arguments import checked
from advlearn.data.array_dataset import Kind, kind_of
from advlearn.data.items import ItemReader
from advlearn.data.to_tensor import Reading
from advlearn.data.value_range import UNCHANGED

RESIDENT_BYTES = 2 * 1024**3
"""A data set whose samples take at most this many bytes, as they are stored, is held in memory."""


@checked
@final
@dataclass(frozen=True, eq=False)
class StreamedDataset:
    """Hold a map-style data set whose samples are drawn one by one, and the facts about it.

    `load` builds it and `StreamedBatches` draws from it.

    Args:
        dataset: The user's data set, with items x, (x, y) or dicts.
        name: Name of the data in logs.
        shape: Shape of one sample after conversion.
        classes: Number of classes; 0 without labels.
        loader: The user's loader, whose collation, workers, batch size and order (shuffled or not)
            are kept; None where `load` received the data set itself.
        items: Reader of its items.
        reading: How its samples are read.
        index: Class index of each label; None where labels are class indices.
        class_names: Name of each class; empty where the user gave none.
        notes: How the data was read, for the line at the start of training.
        weights: Relative frequency of each sample in batches, float (N,); None draws each once an
            epoch.
        mirror: Whether batches mirror images left to right at random.
    """

    dataset: Dataset[Any]
    name: str
    shape: tuple[int, ...]
    classes: int = 0
    loader: DataLoader[Any] | None = None
    items: ItemReader = field(default=ItemReader(), repr=False)
    reading: Reading = field(default=Reading(None, UNCHANGED), repr=False)
    index: Mapping[Any, int] | None = field(default=None, repr=False)
    class_names: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), repr=False)
    weights: Tensor | None = field(default=None, repr=False)
    mirror: bool = False

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    @property
    def kind(self) -> Kind:
        """`"image"` for samples of shape (C, H, W), else `"vector"`."""
        return kind_of(self.shape)

    @property
    def bounded(self) -> bool:
        """Whether every value lies in [-1, 1], the range of a generator that ends in tanh."""
        return self.reading.pixels or self.reading.scaling.scaled

    @property
    def batch_size(self) -> int | None:
        """Batch size of the user's loader; None without one."""
        return None if self.loader is None else self.loader.batch_size

    def unlabelled(self) -> "StreamedDataset":
        """Return the data set itself; tasks ignore the labels of its samples."""
        return self

    def test(self) -> None:
        """Return None: a streamed data set has no test part."""

    @property
    def shuffle(self) -> bool:
        """False where the user's loader goes through the data in order."""
        return self.loader is None or not isinstance(self.loader.sampler, SequentialSampler)
