"""Open two folders of images, paired by their file names or not."""

from pathlib import Path
from typing import Any, cast, final

from torch import Tensor
from torch.utils.data import Dataset

from advlearn.core.checks import user_path
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.folder import images_in, subfolders
from advlearn.data.load import load

SIDES = (("A", "B"), ("trainA", "trainB"))
"""Names of the two sub-folders."""

HELD_OUT = (("testA", "testB"), ("valA", "valB"))
"""Names of the two sub-folders of the test part."""


def is_folder(data: Any) -> bool:
    """Return whether data is the path of a folder."""
    return isinstance(data, Path) or (isinstance(data, str) and Path(data).is_dir())


def two_folders(folder: Path | str) -> tuple[Path, Path]:
    """Return the two sub-folders of images, ``A`` and ``B`` or ``trainA`` and ``trainB``.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: A folder without them.
    """
    path = user_path(folder)
    if not path.is_dir():
        raise FileNotFoundError(f"data: expected a folder, got {str(path)!r}")
    found = _sides(path, SIDES)
    if found is None:
        names = ", ".join(inner.name for inner in subfolders(path)) or "no sub-folder"
        raise ValueError(
            f"data: expected sub-folders A and B, or trainA and trainB, got {names} in "
            f"{str(path)!r}; for images that hold both sides use 'left-to-right:{path.name}'"
        )
    return found


def held_out_folders(folder: Path | str) -> tuple[Path, Path] | None:
    """Return the two sub-folders of the test part, or None."""
    return _sides(user_path(folder), HELD_OUT)


def matched(a: Path, b: Path) -> tuple[Tensor, Tensor]:
    """Read two folders whose files have the same names, up to their endings.

    Args:
        a: Folder of the inputs.
        b: Folder of the targets.

    Returns:
        Inputs and targets, float32 images in [-1, 1], in order of their names.

    Raises:
        ValueError: A file without a partner; the message names it.
    """
    stems = [{path.stem for path in images_in(side)} for side in (a, b)]
    for other, names, partners in ((b, stems[0], stems[1]), (a, stems[1], stems[0])):
        single = sorted(names - partners)
        if single:
            raise ValueError(
                f"data: expected an image named {single[0]!r} in {str(other)!r} as in the other "
                "folder, got none; remove the single image or add its partner"
            )
    x, y = (_held(load(side), side) for side in (a, b))
    return x, y


def from_paired_dataset(dataset: Dataset[Any]) -> tuple[Tensor, Tensor]:
    """Read a map-style data set whose items are pairs of an input and a target.

    Raises:
        TypeError: Items of another form.
        ValueError: Data that does not fit into memory, or that draws random numbers.
    """
    x, y = (_held(load(_Side(dataset, k)), type(dataset).__name__) for k in (0, 1))
    return x, y


@final
class _Side(Dataset[Any]):
    """One of the two parts of the items of a data set."""

    def __init__(self, dataset: Dataset[Any], side: int) -> None:
        self.dataset = dataset
        self.side = side

    def __len__(self) -> int:
        return len(cast(Any, self.dataset))

    def __getitem__(self, index: int) -> Any:
        item = self.dataset[index]
        if not isinstance(item, (tuple, list)) or len(item) != 2:
            raise TypeError(
                "data: expected items (x, y) of an input and a target, got "
                f"{type(item).__name__}; return a tuple of both"
            )
        return item[self.side]


def _sides(folder: Path, names: tuple[tuple[str, str], ...]) -> tuple[Path, Path] | None:
    pairs = ((folder / a, folder / b) for a, b in names)
    return next(((a, b) for a, b in pairs if a.is_dir() and b.is_dir()), None)


def _held(data: Any, where: Any) -> Tensor:
    if not isinstance(data, ArrayDataset):
        raise ValueError(
            f"data: expected pairs that fit into memory and do not change, got {str(where)!r}; "
            "reduce the images, or remove random transforms"
        )
    return data.x
