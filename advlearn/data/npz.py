"""Read npz files from anyone: no code runs, and memory is bounded before it is taken."""

import math
import os
import zipfile
from collections.abc import Collection
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from advlearn.core.files import RefusedFileError, atomic_write
from advlearn.core.seals import seal, verify

MOST_BYTES: Final = 2**30
"""Arrays of one file may take 1 GiB, or `MOST_TIMES` the size of the file where that is more."""

MOST_TIMES: Final = 20
"""Arrays of a large file may take as many times its size."""

_COMPRESSIONS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_KINDS = "biufcSU"
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}


def read_npz(
    path: Path, most_bytes: int | None = None, *, skip: Collection[str] = ()
) -> dict[str, NDArray[Any]]:
    """Read all arrays of an npz file.

    A checksum that `write_npz` added is compared with the content; the checksums of the arrays are
    compared in every file. The sizes in the file are compared with each other and with the limit
    before an array is read.

    Args:
        path: The file.
        most_bytes: The largest sum of the bytes of all arrays; None: `MOST_BYTES`, or `MOST_TIMES`
            the size of the file where that is more.
        skip: Names of arrays that are not read, and may hold objects.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: There is no such file.
        RefusedFileError: The file is damaged, of another kind, too large, or holds objects that
            are not numbers or text. The message is only the reason.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.npz"
        >>> write_npz(path, {"x": np.arange(3)})
        >>> read_npz(path)
        {'x': array([0, 1, 2])}
        >>> read_npz(path, most_bytes=8)
        Traceback (most recent call last):
        ...
        advlearn.core.files.RefusedFileError: its arrays take 152 bytes, more than the limit of 8
    """
    with path.open("rb") as file:
        try:
            size = file.seek(0, os.SEEK_END)
            verify(file)
            limit = max(MOST_BYTES, MOST_TIMES * size) if most_bytes is None else most_bytes
            return _arrays(file, limit, skip)
        except RefusedFileError:
            raise
        except Exception:  # a damaged file can fail in any way
            raise RefusedFileError("it is not an npz file of plain arrays, or damaged") from None


def write_npz(path: Path, arrays: dict[str, Any]) -> None:
    """Write arrays to a compressed npz file with a checksum; an interruption leaves no part.

    Args:
        path: The file.
        arrays: Arrays of numbers or text by name.

    Raises:
        TypeError: An array holds Python objects, which `read_npz` refuses.
    """
    for name, values in arrays.items():
        if np.asarray(values).dtype.hasobject:
            raise TypeError(f"{name}: expected an array of numbers or text, got Python objects")
    with atomic_write(path) as file:
        np.savez_compressed(file, **arrays)
        seal(file)


def _arrays(file: BinaryIO, most_bytes: int, skip: Collection[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays of an open file after a check of all sizes."""
    with zipfile.ZipFile(file) as archive:
        parts = archive.infolist()
        size = sum(part.file_size for part in parts)
        if size > most_bytes:
            raise RefusedFileError(
                f"its arrays take {size} bytes, more than the limit of {most_bytes}"
            )
        if any(part.compress_type not in _COMPRESSIONS for part in parts):
            raise RefusedFileError("its arrays are compressed in a way that numpy does not write")
        if len({part.filename for part in parts}) != len(parts):
            raise RefusedFileError("two of its arrays have one name")
        names = {part.filename.removesuffix(".npy"): part for part in parts}
        return {name: _array(archive, part) for name, part in names.items() if name not in skip}


def _array(archive: zipfile.ZipFile, part: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(part) as stream:
        read_header = _HEADERS[np.lib.format.read_magic(stream)]
        shape, _, dtype = read_header(stream)
        if dtype.kind not in _KINDS:
            raise RefusedFileError(f"its array {part.filename!r} holds neither numbers nor text")
        # An empty array may have a long axis, for whose rows a reader could take memory.
        fits = math.prod(shape) * dtype.itemsize == part.file_size - stream.tell()
        if not fits or max(shape, default=0) > part.file_size:
            raise RefusedFileError(
                f"its array {part.filename!r} promises shape {tuple(shape)}, which its "
                f"{part.file_size} bytes do not hold"
            )
    with archive.open(part) as stream:
        values: NDArray[Any] = np.lib.format.read_array(stream, allow_pickle=False)
        # The checksum of a part is compared when its end is read.
        if stream.read(1):
            raise RefusedFileError(f"its array {part.filename!r} has more bytes than its shape")
    return values
