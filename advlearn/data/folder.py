"""A folder of images as a map-style data set."""

from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
from torch import Tensor
from torch.utils.data import Dataset

from advlearn.data.to_tensor import samples

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
"""Endings of the files that count as images, in lower case; other files are ignored."""


@final
class FolderImages(Dataset[tuple[Tensor, int] | Tensor]):
    """Read images of one flat folder, or of one sub-folder per class, in order of their names.

    The headers of all files are read at the start, which reports a wrong file before training.
    Grey images have one channel; where a folder holds any colour image, all have three.

    Args:
        folder: The folder. Its sub-folders, if it has any with a visible name, are the classes.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: No images; images both inside and outside sub-folders; an unreadable file;
            images of different sizes.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise FileNotFoundError(f"data: expected a folder of images, got {str(self.folder)!r}")
        inside = sorted(
            path
            for path in self.folder.iterdir()
            if path.is_dir() and not path.name.startswith(".")
        )
        outside = list(_images(self.folder))
        if inside and outside:
            raise ValueError(
                f"data: expected images either all inside or all outside sub-folders, got both: "
                f"{outside[0].name!r} is outside; move it into a sub-folder"
            )
        self.classes = [path.name for path in inside]
        self.paths = outside
        self.targets: list[int] = []
        for label, path in enumerate(inside):
            images = list(_images(path))
            if not images:
                raise ValueError(
                    f"data: expected images in every class folder, got none in {path.name!r}"
                )
            self.paths += images
            self.targets += [label] * len(images)
        if not self.paths:
            raise ValueError(
                f"data: expected images ({', '.join(SUFFIXES)}), got none in {str(self.folder)!r}"
            )
        self.mode = self._common_mode()

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int] | Tensor:
        from PIL import Image

        with Image.open(self.paths[index]) as picture:
            x = samples(np.array(picture.convert(self.mode))[None])[0]
        return (x, self.targets[index]) if self.targets else x

    def _common_mode(self) -> str:
        from PIL import Image

        first: tuple[int, int] | None = None
        mode = "L"
        for path in self.paths:
            try:
                with Image.open(path) as picture:
                    size, mode_of_file = picture.size, picture.mode
            except OSError as error:
                raise ValueError(f"data: cannot read {str(path)!r} as an image") from error
            first = size if first is None else first
            if size != first:
                raise ValueError(
                    f"data: expected images of {first[0]}x{first[1]} pixels like "
                    f"{self.paths[0].name!r}, "
                    f"got {size[0]}x{size[1]} in {str(path)!r}"
                )
            mode = mode if mode_of_file in ("1", "L", "LA") else "RGB"
        return mode


def _images(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.is_file() and path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            yield path
