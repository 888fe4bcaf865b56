"""A folder of images as a map-style data set."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, final

import numpy as np
from torch.utils.data import Dataset

from advlearn.data.pixels import Alpha, Header, decode, header_of, open_picture

SUFFIXES = (
    ".png",
    ".jpg",
    ".jpeg",
    ".bmp",
    ".gif",
    ".webp",
    ".tif",
    ".tiff",
    ".ppm",
    ".pgm",
)
"""Endings of the files that count as images, in lower case; other files are ignored."""

AHEAD = 64
"""Images decoded ahead of their use."""

TRAIN = ("train", "training")
"""Names of the sub-folder that holds the training part."""

HELD_OUT = ("test", "testing", "val", "valid", "validation")
"""Names of the sub-folder that holds the test part, the preferred ones first."""


@final
class FolderImages(Dataset[Any]):
    """Read images of one flat folder, or of one sub-folder per class, in order of their names.

    The headers of all files are read at the start. Grey images have one channel; where a folder
    holds any colour image, all have three. An item is an array (H, W) or (H, W, 3) as the file
    stores it, and the class of its sub-folder if there are any.

    Args:
        folder: The folder. Its sub-folders, if it has any with a visible name, are the classes.
        alpha: What becomes of transparent pixels; None refuses them.
        size: Height and width to crop and resize 8-bit images to; None requires equal sizes.
        classes: Names of the classes in their order; None takes those of the sub-folders.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No images; images both inside and outside sub-folders; an unreadable file;
            images of different sizes or kinds; a sub-folder that is not one of `classes`.
    """

    def __init__(
        self,
        folder: Path | str,
        *,
        alpha: Alpha | None = None,
        size: tuple[int, int] | None = None,
        classes: Sequence[str] | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.alpha: Alpha | None = alpha
        self.size = size
        if not self.folder.is_dir():
            raise FileNotFoundError(f"data: expected a folder of images, got {str(self.folder)!r}")
        inside, outside = subfolders(self.folder), list(images_in(self.folder))
        if inside and outside:
            raise ValueError(
                f"data: expected images either all inside or all outside sub-folders, got both: "
                f"{outside[0].name!r} is outside; move it into a sub-folder"
            )
        self.classes = [path.name for path in inside] if classes is None else list(classes)
        self.paths = outside
        self.targets: list[int] = []
        for path in inside:
            self._add_class(path)
        if not self.paths:
            raise ValueError(
                f"data: expected images ({', '.join(SUFFIXES)}), got none in {str(self.folder)!r}"
            )
        self.channels = self._check_headers()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Any:
        path = self.paths[index]
        with open_picture(path, str(path)) as picture:
            x = decode(picture, str(path), channels=self.channels, alpha=self.alpha, size=self.size)
        return (x, self.targets[index]) if self.targets else x

    def _add_class(self, path: Path) -> None:
        if path.name not in self.classes:
            raise ValueError(
                f"data: expected sub-folders {', '.join(self.classes)} like the training part, "
                f"got {str(path)!r}"
            )
        images = list(images_in(path))
        if not images:
            deeper = subfolders(path)
            hint = f"; move the images of {deeper[0].name!r} up" if deeper else ""
            raise ValueError(
                f"data: expected images in every class folder, got none in {path.name!r}{hint}"
            )
        self.paths += images
        self.targets += [self.classes.index(path.name)] * len(images)

    def _check_headers(self) -> int:
        """Compare the headers of all files and return the number of channels."""
        first: Header | None = None
        channels = 1
        for path in self.paths:
            with open_picture(path, str(path)) as picture:
                header = header_of(picture, str(path))
            first = first or header
            channels = max(channels, header.channels)
            if header.size != first.size and self.size is None:
                raise ValueError(
                    f"data: expected images of {_by(first.size)} pixels (height x width) like "
                    f"{self.paths[0].name!r}, got {_by(header.size)} in {str(path)!r}; crop and "
                    f"resize with data=advlearn.data.load(..., size={min(first.size)})"
                )
            if header.kind != first.kind:
                raise ValueError(
                    f"data: expected {first.kind} values like {self.paths[0].name!r}, "
                    f"got {header.kind} in {str(path)!r}; convert the files to one kind"
                )
        return channels


def split_of(folder: Path) -> tuple[Path, Path | None] | None:
    """Return the training folder and the test folder of a split; None for another folder.

    A folder is a split where it has a sub-folder ``train`` and every other one is named ``test``,
    ``val`` or alike.

    Raises:
        ValueError: A held-out part without a training part.
    """
    if not folder.is_dir():
        return None
    found = {path.name.lower(): path for path in subfolders(folder)}
    known = [name for name in found if name in (*TRAIN, *HELD_OUT)]
    if not found or len(known) < len(found):
        return None
    train = next((found[name] for name in TRAIN if name in found), None)
    if train is None:
        raise ValueError(
            f"data: expected classes, or a split with {TRAIN[0]!r}, got {', '.join(known)} in "
            f"{str(folder)!r}; rename the folder to train on to {TRAIN[0]!r}"
        )
    return train, next((found[name] for name in HELD_OUT if name in found), None)


def subfolders(folder: Path) -> list[Path]:
    """Return the visible sub-folders in order of their names."""
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def images_in(folder: Path) -> Iterator[Path]:
    """Yield the images of a folder, without those of its sub-folders, in order of their names."""
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield path


def decoded(dataset: FolderImages) -> Iterator[np.ndarray[Any, Any]]:
    """Yield the images of a folder, decoded by several threads, a bounded number ahead.

    Raises:
        ValueError: A damaged file.
    """
    with ThreadPoolExecutor() as pool:
        for start in range(0, len(dataset), AHEAD):
            indices = range(start, min(start + AHEAD, len(dataset)))
            for item in pool.map(dataset.__getitem__, indices):
                yield item[0] if isinstance(item, tuple) else item


def _by(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
