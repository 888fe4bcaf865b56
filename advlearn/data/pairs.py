"""Data for translation: inputs with their targets, or two sets of unmatched samples."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, final

from torch import Tensor
from torch.utils.data import Dataset

from advlearn.core.arguments import checked
from advlearn.core.checks import describe_value
from advlearn.core.naming import suggestion
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.compound import Part
from advlearn.data.derived_pairs import KINDS
from advlearn.data.load import load
from advlearn.data.names import expected, parse
from advlearn.data.paired_folders import (
    from_paired_dataset,
    held_out_folders,
    is_folder,
    matched,
    two_folders,
)
from advlearn.data.shapes import match_shapes
from advlearn.data.to_tensor import samples


@checked
@final
@dataclass(frozen=True, eq=False)
class Pairs:
    """Hold inputs, each with its target. A batch is (x, y).

    Args:
        x: Inputs, float32 (N, ...); images are (N, C, H, W) in [-1, 1].
        y: Targets, float32 (N, ...), of any shape.
        name: Name of the data in logs and file names.
        test_part: Function that loads the test part; None where there is none.

    Raises:
        TypeError: `x` or `y` is not a float32 tensor.
        ValueError: No samples, a value that is not finite, or `x` and `y` of different lengths.

    Example:
        >>> import torch
        >>> data = Pairs(torch.zeros(3, 1, 8, 8), torch.zeros(3, 3, 8, 8))
        >>> len(data), data.shape, data.target_shape
        (3, (1, 8, 8), (3, 8, 8))
    """

    x: Tensor
    y: Tensor
    name: str = "pairs"
    test_part: "Callable[[], Pairs | None] | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for part in (self.x, self.y):
            ArrayDataset(part)
        if len(self.x) != len(self.y):
            raise ValueError(
                f"data: expected one target for each of {len(self.x)} inputs, got {len(self.y)}"
            )

    def __len__(self) -> int:
        return len(self.x)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x.shape[1:])

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Shape of one target."""
        return tuple(self.y.shape[1:])

    @property
    def columns(self) -> tuple[Tensor, Tensor]:
        """Tensors that a batch takes rows of: (x, y)."""
        return self.x, self.y

    @property
    def bounded(self) -> bool:
        """Whether every target lies in [-1, 1], the range of a generator that ends in tanh."""
        return bool((self.y.abs() <= 1).all())

    def test(self) -> "Pairs | None":
        """Load the test part of the data; None where there is none."""
        return None if self.test_part is None else self.test_part()


@checked
@final
@dataclass(frozen=True, eq=False)
class Unpaired:
    """Hold two sets of samples of one shape, without matches between them.

    A batch is (a, b). Each set has its own random order; labels never reach a batch.

    Args:
        a: One set.
        b: The other set.

    Raises:
        ValueError: The shapes differ.

    Example:
        >>> import torch
        >>> len(Unpaired(ArrayDataset(torch.zeros(4, 2)), ArrayDataset(torch.ones(3, 2))))
        3
    """

    a: Part
    b: Part

    def __post_init__(self) -> None:
        if self.a.shape != self.b.shape:
            raise ValueError(
                f"data: expected samples of one shape, got {self.a.shape} in {self.a.name!r} and "
                f"{self.b.shape} in {self.b.name!r}"
            )

    def __len__(self) -> int:
        return min(len(self.a), len(self.b))

    @property
    def name(self) -> str:
        """Names of both sets."""
        return f"{self.a.name} <-> {self.b.name}"

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one sample."""
        return self.a.shape

    @property
    def bounded(self) -> bool:
        """Whether every value lies in [-1, 1]; streamed images are assumed to."""
        return all(
            part.bounded if isinstance(part, ArrayDataset) else part.kind == "image"
            for part in (self.a, self.b)
        )

    @property
    def resident(self) -> bool:
        """Whether both sets are in memory."""
        return isinstance(self.a, ArrayDataset) and isinstance(self.b, ArrayDataset)

    def parts(self) -> tuple[Part, Part]:
        """Return the data that batches are drawn from, in order."""
        return self.a.unlabelled(), self.b.unlabelled()

    def test(self) -> "Unpaired | None":
        """Load the test parts of both sets; None where a set has none."""
        a, b = self.a.test(), self.b.test()
        return None if a is None or b is None else Unpaired(*match_shapes([a, b]))


@checked
def pairs(x: Any, y: Any) -> Pairs:
    """Open inputs and targets, or make the inputs from images.

    Args:
        x: Inputs, a tensor or an array (N, ...); or a kind of pairs, one of `pair_kinds()`.
        y: Targets, a tensor or an array (N, ...); or, where `x` is a kind, images in memory that
            `load` takes.

    Returns:
        The pairs, held in memory.

    Raises:
        ValueError: An unknown kind, images it cannot be made from, or different lengths.

    Example:
        >>> pairs("small", "digits").shape, pairs("edges", "digits").target_shape
        ((1, 2, 2), (1, 8, 8))
    """
    if not isinstance(x, str):
        return Pairs(samples(x), samples(y))
    if x not in KINDS:
        hint = suggestion(x, KINDS, otherwise="use one of these kinds")
        raise ValueError(f"data: expected pairs of kind {', '.join(KINDS)}, got {x!r}; {hint}")
    images = load(y)
    if not isinstance(images, ArrayDataset):
        raise ValueError(f"data: expected images in memory for {x!r}, got streamed {images.name!r}")
    if images.kind != "image":
        raise ValueError(
            f"data: expected images (N, C, H, W) for {x!r}, got samples of shape {images.shape}"
        )
    return _derived(x, images)


@checked
def unpaired(a: Any, b: Any) -> Unpaired:
    """Open two sets of samples that are not matched.

    Args:
        a: Data that `load` takes.
        b: Data that `load` takes.

    Returns:
        The two sets. Images in memory are brought to one shape, see `match_shapes`.

    Raises:
        ValueError: Shapes that cannot be matched.

    Example:
        >>> import torch
        >>> unpaired(torch.zeros(4, 1, 8, 8), torch.zeros(4, 3, 16, 16)).shape
        (3, 16, 16)
    """
    return Unpaired(*match_shapes([load(a), load(b)]))


def pair_kinds() -> dict[str, str]:
    """Return the kinds of pairs that are made from images, each with a one-line summary.

    Example:
        >>> pair_kinds()["grey"]
        'grey images to the colour images they are made from'
    """
    return {name: kind.summary for name, kind in KINDS.items()}


@checked
def open_pairs(data: Any) -> Pairs:
    """Open pairs given in any form.

    Args:
        data: A string such as ``"edges:fashion-mnist"``, see `pairs`; a folder with sub-folders
            ``A`` and ``B`` (or ``trainA``, ``trainB``, ``testA``, ``testB``) whose files have the
            same names; a tuple (x, y) of tensors or arrays; a Dataset with items (x, y); or
            `Pairs`.

    Returns:
        The pairs.

    Raises:
        ValueError: As `pairs`, or data of another form.

    Example:
        >>> open_pairs("small:digits").shape
        (1, 2, 2)
    """
    if isinstance(data, Pairs):
        return data
    if is_folder(data):
        return _of_folder(data)
    if isinstance(data, str):
        return pairs(*parse(data, "pairs"))
    if isinstance(data, Dataset):
        return Pairs(*from_paired_dataset(data), type(data).__name__)
    if isinstance(data, tuple) and len(data) == 2:
        return pairs(*data)
    raise ValueError(
        f"data: expected {expected('pairs')}, or (x, y) of inputs and targets, "
        f"got {describe_value(data)}"
    )


@checked
def open_unpaired(data: Any) -> Unpaired:
    """Open two unmatched sets given in any form.

    Args:
        data: A string such as ``"usps <-> mnist"``; a folder with sub-folders ``A`` and ``B``, or
            ``trainA`` and ``trainB``; a tuple (a, b) of data that `load` takes; or `Unpaired`.

    Returns:
        The two sets.

    Raises:
        ValueError: As `unpaired`, or data of another form.

    Example:
        >>> open_unpaired("digits <-> digits").shape
        (1, 8, 8)
    """
    if isinstance(data, Unpaired):
        return data
    if is_folder(data):
        return unpaired(*two_folders(data))
    if isinstance(data, str):
        return unpaired(*parse(data, "unpaired"))
    if isinstance(data, tuple | list) and len(data) == 2:
        return unpaired(*data)
    raise ValueError(
        f"data: expected {expected('unpaired')}, or (a, b), got {describe_value(data)}"
    )


def _of_folder(folder: Path | str) -> Pairs:
    x, y = matched(*two_folders(folder))
    test = held_out_folders(folder)
    name = Path(folder).resolve().name
    return Pairs(x, y, name, None if test is None else partial(_of_two_folders, name, *test))


def _of_two_folders(name: str, a: Path, b: Path) -> Pairs:
    return Pairs(*matched(a, b), f"{name}-test")


def _derived(kind: str, images: ArrayDataset) -> Pairs:
    x, y = KINDS[kind].make(images)
    return Pairs(x, y, f"{kind}:{images.name}", partial(_derived_test, kind, images))


def _derived_test(kind: str, images: ArrayDataset) -> Pairs | None:
    test = images.test()
    return None if test is None else _derived(kind, test)
