"""Samples of a saved run for files: a picture, one PNG file for each, or an npz file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from advlearn.core.files import atomic_write
from advlearn.plots.run_samples import classes_of_generator
from advlearn.plots.sample_sheet import Images, sample_sheet
from advlearn.training.samples import grey_levels, save_image_grid


@final
@dataclass(frozen=True, slots=True)
class DrawnSamples:
    """Hold samples and how they were drawn.

    Attributes:
        x: Samples (N, ...), on the CPU.
        labels: Classes (N,), or None.
        class_names: Name of each class; empty for classes without names.
        seed: The seed.
        truncation: The truncation level, or None.
    """

    x: Tensor
    labels: Tensor | None
    class_names: tuple[str, ...]
    seed: int
    truncation: float | None

    @property
    def is_images(self) -> bool:
        """Whether the samples are grey or colour images."""
        return self.x.ndim == 4 and self.x.shape[1] in (1, 3)

    def write_picture(self, path: str | Path) -> Path:
        """Write one picture, in which images have a title and rows by class."""
        path = Path(path)
        if not self.is_images:
            save_image_grid(self.x, path)
            return path
        level = "" if self.truncation is None else f", truncation {self.truncation:g}"
        return sample_sheet(
            Images(self.x, self.labels),
            path,
            title=f"seed {self.seed}{level}",
            class_names=self.class_names,
        )

    def write(self, path: str | Path) -> Path:
        """Write an npz file, or a folder with a PNG file for each image.

        The npz file holds ``samples``: images as uint8 (N, H, W, C), other samples as float32; and
        ``labels``, int64 (N,), if the samples have classes.

        Args:
            path: A file that ends in ``.npz``, or a folder, which is created.

        Raises:
            ValueError: A folder for samples that are not images.
        """
        path = Path(path)
        if path.suffix == ".npz":
            values: dict[str, Any] = {"samples": self._pixels() if self.is_images else self.x}
            values |= {} if self.labels is None else {"labels": self.labels}
            arrays: dict[str, Any] = {name: np.asarray(value) for name, value in values.items()}
            with atomic_write(path) as file:
                np.savez_compressed(file, **arrays)
            return path
        if not self.is_images:
            raise ValueError(
                f"out: expected a file that ends in .npz for samples of shape "
                f"{tuple(self.x.shape[1:])}, got {str(path)!r}; pass {str(path)!r} with .npz"
            )
        self._write_images(path)
        return path

    def _write_images(self, folder: Path) -> None:
        from PIL import Image

        digits = len(str(max(len(self.x) - 1, 999)))
        for i, image in enumerate(self._pixels()):
            of_class = "" if self.labels is None else f"-{self._name(int(self.labels[i]))}"
            with atomic_write(folder / f"{i:0{digits}d}{of_class}.png") as file:
                Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(
                    file, format="PNG"
                )

    def _name(self, label: int) -> str:
        """Return the name of a class with the characters that a file name can hold."""
        name = self.class_names[label] if self.class_names else str(label)
        return "".join(c if c.isalnum() or c in "-_" else "_" for c in name)

    def _pixels(self) -> np.ndarray[Any, Any]:
        """Return images as uint8 (N, H, W, C)."""
        return grey_levels(self.x.float().numpy()).transpose(0, 2, 3, 1)


def draw(
    run: Any, n: int, seed: int, classes: Sequence[str] = (), truncation: float | None = None
) -> DrawnSamples:
    """Draw samples of a run.

    Args:
        run: The run.
        n: Number of samples.
        seed: The seed.
        classes: Names or numbers of the classes, which are drawn in turn; empty for all.
        truncation: The truncation level, or None.

    Returns:
        The samples.

    Raises:
        ValueError: An unknown class, or classes of a run without classes.
    """
    names = tuple(run.config["settings"].get("class_names", ()))
    count = classes_of_generator(run.ema_model)
    if classes and not count:
        raise ValueError(
            f"class: expected a run whose generator is conditioned on classes, got {classes[0]!r} "
            "for one without; train it with generate(conditional=True)"
        )
    chosen = [_index(name, names, count) for name in classes] or list(range(count))
    labels = torch.tensor([chosen[i % len(chosen)] for i in range(n)]) if chosen else None
    x = run.sample(n, labels, seed=seed, truncation=truncation).cpu()
    return DrawnSamples(x, labels, names, seed, truncation)


def _index(name: str, names: Sequence[str], count: int) -> int:
    """Return the number of a class."""
    if name in names:
        return names.index(name)
    if name.isdecimal() and int(name) < count:
        return int(name)
    known = f"{', '.join(names)}, or a number" if names else "a number"
    raise ValueError(f"class: expected {known} below {count}, got {name!r}")
