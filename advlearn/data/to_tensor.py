"""Read users' arrays: decide layout and range once, then convert without a second copy."""

import mmap
import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from advlearn.core.array_checks import check_dense
from advlearn.core.checks import describe_value
from advlearn.data.layouts import Layout, channel_first, is_picture, layout_of
from advlearn.data.value_range import (
    CHUNK_BYTES,
    UNCHANGED,
    Scaling,
    chunks,
    extremes,
    floats,
    recognise,
)

MOST_CLASSES = 2**20
"""Class indices must be smaller: memory is taken for each class up to the largest index."""


@final
@dataclass(frozen=True)
class Reading:
    """State how the values of a data set are read.

    Args:
        layout: Order of the axes of a batch; None for more than five.
        scaling: Scaling of the values.
        pixels: Whether the values are held as uint8 pixels.
        mapped: Whether the values lie in a memory-mapped file.
        dtype: Type of the values before conversion; None for any.
    """

    layout: Layout | None
    scaling: Scaling
    pixels: bool = False
    mapped: bool = False
    dtype: torch.dtype | None = None

    @property
    def notes(self) -> tuple[str, ...]:
        """What was decided, for the line about the data."""
        last = self.layout in ("NHWC", "NLC", "NDHWC")
        order = ("channels last",) if last else ()
        return order if self.scaling is UNCHANGED else (*order, self.scaling.note)

    def convert(self, x: Any, where: str) -> Tensor:
        """Convert a batch as the data set is read, to float32, or uint8 pixels, channel-first.

        Args:
            x: Tensor or array (N, ...) of the same layout and range.
            where: Name of the samples in errors.
        """
        tensor = channel_first(tensor_of(x).detach(), self.layout)
        if self.dtype is not None and _kind(tensor.dtype) != _kind(self.dtype):
            name = str(tensor.dtype).removeprefix("torch.")
            raise ValueError(
                f"data: expected {str(self.dtype).removeprefix('torch.')} values like the samples "
                f"before, got {name} in {where}; return one type"
            )
        if self.pixels and tensor.dtype == torch.uint8 and self.scaling.high == 255:
            return tensor
        if tensor.is_floating_point():
            check_finite(tensor, where=where)
        if self.scaling is not UNCHANGED:
            self.scaling.check(tensor, where)
        if self.pixels:
            return tensor.to(torch.uint8) * (255 if self.scaling.high == 1 else 1)
        return self.scaling.apply_(tensor.to(torch.float32, copy=True).contiguous())


def read(
    data: Any, layout: str | None = None, value_range: Any = None, *, owned: bool = False
) -> tuple[Tensor, Reading]:
    """Read an array of samples: uint8 images stay uint8, all others become float32.

    Args:
        data: Tensor or array (N, ...) of any number type.
        layout: Order of the axes, see `layout_of`; None decides by the shape.
        value_range: Range of the values of images, see `recognise`; None decides by the values.
        owned: Whether a tensor belongs to the caller, so that it may be scaled in place.

    Returns:
        Channel-first samples, uint8 pixels or float32 (images in [-1, 1]), and the reading.

    Raises:
        TypeError: Not an array of numbers with samples on the first axis.
        ValueError: An ambiguous layout or range, or no value at all.

    Example:
        >>> x, reading = read(np.zeros((2, 4, 6, 3)))
        >>> x.shape, reading.notes
        (torch.Size([2, 3, 4, 6]), ('channels last', 'values in [0, 1] scaled to [-1, 1]'))
    """
    mapped = isinstance(data, np.ndarray) and _mapped_file(data) is not None
    x = tensor_of(data).detach()
    kind = x.dtype
    if x.ndim < 2 or kind.is_complex or (x.ndim == 2 and kind == torch.uint8):
        raise TypeError(
            "data: expected floats (N, ...) or images (N, C, H, W) of uint8, "
            f"got {describe_value(data)}"
        )
    if x.numel() == 0:
        raise ValueError(
            f"data: expected at least one sample with at least one value, got {tuple(x.shape)}"
        )
    chosen = layout_of(tuple(x.shape), integer=not kind.is_floating_point, given=layout)
    x = channel_first(x, chosen)
    picture = is_picture(chosen) or kind == torch.uint8
    # The values of an array may change later, those of a tensor or a file are the user's to keep.
    shared = mapped or isinstance(data, Tensor)
    if not picture and value_range is None:
        out = _held(x, torch.float32, data, not shared)
        mapped = mapped and out.data_ptr() == x.data_ptr()
        return out, Reading(chosen, UNCHANGED, False, mapped, kind)
    needed = kind != torch.bool or value_range is not None
    low, high = extremes(x, lambda: _release(data)) if needed else (0.0, 1.0)
    if not (np.isfinite(low) and np.isfinite(high)):
        check_finite(x)
    scaling = recognise(low, high, kind, value_range)
    as_pixels = _is_pixels(kind, scaling)
    copied = not shared or (kind.is_floating_point and scaling.changes and not owned)
    out = _held(x, torch.uint8 if as_pixels else torch.float32, data, copied)
    if not as_pixels:
        scaling.apply_(out)
    elif scaling.high == 1:
        out = out * 255
    mapped = mapped and out.data_ptr() == x.data_ptr()
    return out, Reading(chosen, scaling, as_pixels, mapped, kind)


MOST_CLASSES = 2**20
"""Class indices must be smaller: memory is taken for each class up to the largest index."""


def samples(data: Any) -> Tensor:
    """Read an array of samples as float32, images channel-first in [-1, 1].

    Args:
        data: Tensor or numpy array (N, ...), see `read`.

    Returns:
        Samples, float32 (N, ...).

    Raises:
        TypeError: As `read`.
        ValueError: As `read`.

    Example:
        >>> samples(np.full((2, 4, 4, 3), 255, dtype=np.uint8)).shape
        torch.Size([2, 3, 4, 4])
    """
    return floats(read(data)[0])


def pixels(data: Any) -> Tensor:
    """Read an array of images and keep those of 8 bits as uint8, channel-first; see `read`."""
    return read(data)[0]


def labels(values: Any, argument: str = "labels") -> Tensor:
    """Convert class indices to int64.

    Args:
        values: A tensor, an array or a list of ints (N,).
        argument: The argument's name in errors.

    Returns:
        int64 (N,).

    Raises:
        TypeError: Values that are not integers of shape (N,).
        ValueError: A value of `MOST_CLASSES` or more, such as an identifier.

    Example:
        >>> labels([0, 2, 1])
        tensor([0, 2, 1])
    """
    y = tensor_of(
        np.asarray(values) if isinstance(values, (list, tuple)) else values, argument
    ).detach()
    if y.is_floating_point() or y.is_complex() or y.ndim != 1:
        raise TypeError(f"{argument}: expected integers of shape (N,), got {describe_value(y)}")
    classes = y.to(torch.int64)
    largest = int(classes.max()) if len(classes) else 0
    if largest >= MOST_CLASSES:
        raise ValueError(
            f"{argument}: expected class indices below {MOST_CLASSES}, got {largest}; number the "
            "classes from 0, as np.unique(values, return_inverse=True)[1] does"
        )
    return classes


def array_of(data: Any, argument: str) -> np.ndarray[Any, Any]:
    """Return a tensor, an array or a list as an array.

    Raises:
        ValueError: The values are hidden, complex or not in plain memory.
    """
    check_dense(argument, data)
    return np.asarray(data.detach().cpu() if isinstance(data, Tensor) else data)


def tensor_of(data: Any, argument: str = "data") -> Tensor:
    """Return an array as a tensor that shares its memory where torch can."""
    check_dense(argument, data)
    if isinstance(data, Tensor):
        if data.dtype != torch.uint64:
            return data
        data = data.cpu().numpy()
    if isinstance(data, np.ndarray) and data.dtype.kind in "fu" and data.dtype.itemsize >= 8:
        data = _narrower(data)
    if isinstance(data, np.ndarray) and data.dtype.kind in "fiub":
        shareable = data.dtype.isnative and all(step >= 0 for step in data.strides)
        array = data if shareable else np.array(data, dtype=data.dtype.newbyteorder("="), order="C")
        with warnings.catch_warnings():
            # A read-only array: nothing here writes to the tensor.
            warnings.simplefilter("ignore", UserWarning)
            return torch.from_numpy(array)
    raise TypeError(f"{argument}: expected a tensor or a numeric array, got {describe_value(data)}")


def _narrower(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return wide floats and 64-bit unsigned integers in a type that torch can compute with."""
    if array.dtype.kind == "u":
        fits = not array.size or array.max() <= np.iinfo(np.int64).max
        return array.astype(np.int64 if fits else np.float64)
    return array if array.dtype.itemsize == 8 else array.astype(np.float64)


def check_finite(x: Tensor, names: Any = (), where: str = "") -> None:
    """Raise a ValueError that names the first value of samples `x` that is not finite.

    Args:
        x: Samples (N, ...).
        names: Names of the columns of vectors, for the message.
        where: Name of the samples, for the message; empty where the index names them.
    """
    start = 0
    for part in chunks(x):
        finite = torch.isfinite(part)
        if not bool(finite.all()):
            row, column = (int(index) for index in (~finite).flatten(1).nonzero()[0])
            place = "" if x.ndim > 2 else f", column {column}"
            if place and column < len(names):
                place += f" ({names[column]!r})"
            value = float(part[row].flatten()[column])
            raise ValueError(
                f"data: expected finite values, got {value} in "
                f"{where or f'sample {start + row}'}{place}; remove or fill them in the data set"
            )
        start += len(part)


def _kind(dtype: torch.dtype) -> str:
    return "float" if dtype.is_floating_point else str(dtype)


def _is_pixels(kind: torch.dtype, scaling: Scaling) -> bool:
    """Whether the values fit into 8 bits without rounding."""
    exact = (scaling.low, scaling.high) in ((0, 255), (0, 1)) and scaling.scaled
    return not kind.is_floating_point and exact


def _held(x: Tensor, dtype: torch.dtype, data: Any, copied: bool) -> Tensor:
    """Return samples of a type; a copy is contiguous and made in chunks of bounded memory."""
    if x.dtype == dtype and not copied:
        return x if dtype == torch.uint8 else x.contiguous()
    out = torch.empty(x.shape, dtype=dtype, device=x.device)
    rows = max(1, CHUNK_BYTES * len(x) // max(1, x.numel() * x.element_size()))
    for start in range(0, len(x), rows):
        out[start : start + rows] = x[start : start + rows]
        _release(data)
    return out


def _mapped_file(array: Any) -> np.memmap[Any, Any] | None:
    """Return the memory-mapped file that an array reads, or None."""
    while isinstance(array, np.ndarray):
        if isinstance(array, np.memmap) and isinstance(array.base, mmap.mmap):
            return array
        array = array.base
    return None


def _release(data: Any) -> None:
    """Let the pages of a memory-mapped file leave the memory of this process."""
    found: Any = _mapped_file(data)
    # A copy-on-write file would lose the user's changes.
    if found is not None and found.mode != "c" and hasattr(mmap, "MADV_DONTNEED"):
        found.base.madvise(mmap.MADV_DONTNEED)
