"""Open files of numpy arrays: .npy stays in its file, .npz is read into memory."""

from pathlib import Path
from typing import Any

import numpy as np

from advlearn.data.items import LABEL_KEYS, SAMPLE_KEYS, Keys
from advlearn.data.npz import read_npz

ARRAY_SUFFIXES = (".npy", ".npz")
"""Endings of the files of arrays."""

_X = (*SAMPLE_KEYS, "images", "data", "X", "x_train", "train_images", "arr_0")
_Y = (*LABEL_KEYS, "targets", "y_train", "train_labels", "arr_1")


def read_array_file(path: Path, keys: Keys | None = None) -> tuple[Any, Any]:
    """Open the samples and the labels, or None, of a file.

    Args:
        path: A ``.npy`` file of samples, which is memory-mapped; or a ``.npz`` file.
        keys: Names of the arrays of samples and of labels in a ``.npz`` file; None finds them.

    Raises:
        ValueError: A damaged file, a file of Python objects, or names that are missing or several.
    """
    try:
        if path.suffix == ".npy":
            return np.load(path, mmap_mode="r", allow_pickle=False), None
        arrays = read_npz(path)
        x, y = _names(path, list(arrays), keys)
        return arrays[x], None if y is None else arrays[y]
    except (OSError, EOFError, ValueError) as error:
        if str(error).startswith(("keys:", "data:")):
            raise
        reason = " ".join(str(error).split())
        raise ValueError(
            f"data: cannot read {str(path)!r} as an array of numbers ({reason}); save it again "
            "with numpy.save"
        ) from error


def _names(path: Path, found: list[str], keys: Keys | None) -> tuple[str, str | None]:
    if keys is not None:
        missing = [key for key in keys if key is not None and key not in found]
        if missing:
            raise ValueError(f"keys: expected arrays among {', '.join(found)}, got {missing[0]!r}")
        return keys
    x, y = ([name for name in found if name in known] for known in (_X, _Y))
    if len(found) == 1:
        return found[0], None
    if len(x) != 1 or len(y) > 1:
        raise ValueError(
            f"data: expected one array of samples and at most one of labels in {path.name!r}, got "
            f"{', '.join(found)}; choose with load(data, keys=({found[0]!r}, None))"
        )
    return x[0], y[0] if y else None
