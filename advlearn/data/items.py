"""Read the items of users' data sets: x, (x, y) or a dict of both, in the forms people use."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast, final

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from advlearn.core.checks import describe_value
from advlearn.data import pixels
from advlearn.data.class_labels import Labels, read_labels
from advlearn.data.to_tensor import Reading, tensor_of

SAMPLE_KEYS = ("image", "img", "pixel_values", "x", "input", "png", "jpg", "jpeg", "webp", "tif")
"""Keys of a dict that may hold the sample."""

LABEL_KEYS = ("label", "labels", "y", "target", "class", "cls", "category")
"""Keys of a dict that may hold the label."""

Keys = tuple[str, str | None]


@final
@dataclass(frozen=True)
class ItemReader:
    """Read one item as an array and a label.

    Args:
        keys: Keys of the sample and of the label, for items that are dicts; None finds them.
        alpha: What becomes of transparent pixels; None refuses them.
        size: Height and width to crop and resize pictures to.
        channels: Channels of pictures; None takes those of each picture.
    """

    keys: Keys | None = None
    alpha: pixels.Alpha | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None

    def parts(self, item: Any) -> tuple[Any, ...]:
        """Return (x,) or (x, y)."""
        if isinstance(item, Mapping):
            return self._of_dict(cast("Mapping[str, Any]", item))
        if not isinstance(item, (tuple, list)):
            return (item,)
        if len(item) not in (1, 2):
            raise TypeError(
                f"data: expected items x or (x, y), got {len(item)} parts; wrap the data set "
                "so that it returns a sample and its label"
            )
        return tuple(item)

    def array(self, x: Any, where: str) -> Any:
        """Return a sample as a tensor or an array; pictures as (H, W) or (H, W, 3)."""
        if isinstance(x, Mapping) and "bytes" in x:
            x = x["bytes"]
        if isinstance(x, bytes):
            x = pixels.open_picture(io.BytesIO(x), where)
        if pixels.is_picture(x):
            return pixels.decode(x, where, channels=self.channels, alpha=self.alpha, size=self.size)
        if isinstance(x, (list, float, int)):
            return np.asarray(x, dtype=np.float32)
        return x

    def layout(self, x: Any) -> str | None:
        """Return the layout of pictures, which is known; None for arrays."""
        if not (pixels.is_picture(x) or isinstance(x, (bytes, Mapping))):
            return None
        return "NHW" if self.array(x, "the first sample").ndim == 2 else "NHWC"

    def _of_dict(self, item: Mapping[str, Any]) -> tuple[Any, ...]:
        if self.keys is not None:
            missing = [key for key in self.keys if key is not None and key not in item]
            if missing:
                raise ValueError(f"keys: expected keys of {list(item)}, got {missing[0]!r}")
            return tuple(item[key] for key in self.keys if key is not None)
        found = [[key for key in item if key in known] for known in (SAMPLE_KEYS, LABEL_KEYS)]
        if len(found[0]) != 1 or len(found[1]) > 1:
            raise ValueError(
                f"data: expected one key of a sample and at most one of a label, got "
                f"{list(item)}; choose with load(data, keys=('image', 'label'))"
            )
        return tuple(item[keys[0]] for keys in found if keys)


@final
class Samples(Dataset[tuple[Any, ...]]):
    """Convert the items of a user's data set to (x,) or (x, y), x of one shape.

    Args:
        dataset: Map-style data set.
        items: Reader of its items.
        reading: How the samples are read.
        index: Class index of each label; None where labels are class indices.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        items: ItemReader,
        reading: Reading,
        index: Mapping[Any, int] | None = None,
    ) -> None:
        self.dataset = dataset
        self.items = items
        self.reading = reading
        self.index = index

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        where = f"sample {index}"
        parts = self.items.parts(draw(self.dataset, index))
        x = tensor_of(self.items.array(parts[0], where))
        x = self.reading.convert(x[None], where)[0].contiguous()
        return (x,) if len(parts) == 1 else (x, class_index(parts[1], self.index))


@final
class Collate:
    """Apply a user's collation and convert the batch to (x,) or (x, y).

    Args:
        collate: Function from a list of items to a batch x or (x, y).
        items: Reader of its batches.
        reading: How the samples are read.
        index: Class index of each label; None where labels are class indices.
    """

    def __init__(
        self,
        collate: Callable[[list[Any]], Any],
        items: ItemReader,
        reading: Reading,
        index: Mapping[Any, int] | None = None,
    ) -> None:
        self.collate = collate
        self.items = items
        self.reading = reading
        self.index = index

    def __call__(self, batch: list[Any]) -> tuple[Tensor, ...]:
        parts = self.items.parts(self.collate(batch))
        x = self.reading.convert(parts[0], "a batch of the DataLoader").contiguous()
        return (x,) if len(parts) == 1 else (x, self._classes(parts[1]))

    def _classes(self, values: Any) -> Tensor:
        if self.index is None:
            labels = read_labels(values)
            return labels.y if not labels.names else torch.as_tensor(values).long().flatten()
        return torch.tensor([class_index(value, self.index) for value in values])


def draw(dataset: Any, index: int) -> Any:
    """Return an item of a data set; an error names the item.

    Raises:
        ValueError: The item cannot be read.
    """
    try:
        return dataset[index]
    except OSError as error:
        paths = getattr(dataset, "samples", None) or getattr(dataset, "imgs", None)
        path = f" ({str(paths[index][0])!r})" if isinstance(paths, list) else ""
        reason = " ".join(str(error).split())
        raise ValueError(
            f"data: cannot read sample {index}{path}: {reason}; replace or remove the damaged file"
        ) from error


def class_index(y: Any, index: Mapping[Any, int] | None) -> Any:
    """Return the class index of one label, or a vector as float32.

    Raises:
        TypeError: A label of another type.
        ValueError: A label that no class has.
    """
    value = plain_label(y)
    if isinstance(value, Tensor):
        return value
    if index is None:
        if isinstance(value, str):
            raise TypeError(f"labels: expected a class index per sample, got {value!r}")
        return value
    if value not in index:
        raise ValueError(f"labels: expected one of {list(index)[:10]}, got {value!r}")
    return index[value]


def plain_label(y: Any) -> Any:
    """Return a label as an int or a string, or a vector as a float32 tensor (d,).

    Raises:
        TypeError: A label of another type.
    """
    if isinstance(y, (Tensor, np.ndarray)) and np.prod(tuple(y.shape)) > 1 and y.ndim == 1:
        vector = torch.as_tensor(y)
        if vector.is_floating_point():
            return vector.float()
        return int(read_labels(vector[None]).y)
    single = isinstance(y, (Tensor, np.ndarray, np.generic)) and int(np.prod(tuple(y.shape))) == 1
    value = y.item() if single else y
    if not isinstance(value, (int, str)):
        raise TypeError(f"labels: expected a class index (int) per sample, got {describe_value(y)}")
    return value if isinstance(value, str) else int(value)


def labels_of(values: Sequence[Any], names: Sequence[str]) -> Labels:
    """Read the labels of all samples.

    Args:
        values: What `plain_label` returned for each.
        names: Names that the data set gives to its classes; empty where it has none.
    """
    if isinstance(values[0], Tensor):
        return read_labels(np.stack([value.numpy() for value in values]))
    labels = read_labels(list(values))
    if not names or isinstance(values[0], str):
        return labels
    y = torch.tensor(list(values), dtype=torch.int64)
    if int(y.min()) < 0 or int(y.max()) >= len(names):
        wrong = int(y.min()) if int(y.min()) < 0 else int(y.max())
        raise ValueError(
            f"labels: expected indices of the {len(names)} classes of the data set, got {wrong}"
        )
    return Labels(y, len(names), tuple(names))


def index_of(labels: Labels, values: Sequence[Any]) -> dict[Any, int] | None:
    """Return the class index of each label, or None where labels are class indices already."""
    pairs = dict(zip(values, labels.y.tolist(), strict=True)) if labels.classes else {}
    return None if all(value == index for value, index in pairs.items()) else pairs


def in_colour(items: ItemReader) -> ItemReader:
    """Return the reader that gives grey pictures three channels."""
    return replace(items, channels=3)
