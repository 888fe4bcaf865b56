"""Recognise the range of the values of images, and scale them to [-1, 1]."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, final

import torch
from torch import Tensor

STANDARDISED_LIMIT = 8.0
"""Float images beyond this magnitude are refused as unscaled (0 to 255)."""

CHUNK_BYTES = 16 * 1024**2
"""Bytes converted or checked at once, to bound memory."""

_ROUNDING = 1e-6
_BRIGHT = 128  # integers from 0 to below this may be images of fewer than 8 bits
_TWELVE_BITS = 4095

ValueRange = tuple[float, float] | Literal["unscaled"]
"""Values that become -1 and 1, or ``"unscaled"`` for values that stay as they are."""


@final
@dataclass(frozen=True)
class Scaling:
    """Scale values from [low, high] to [-1, 1], and refuse values outside.

    Args:
        low: Value that becomes -1.
        high: Value that becomes 1.
        scaled: False leaves the values as they are, within [low, high].
    """

    low: float
    high: float
    scaled: bool = True

    @property
    def changes(self) -> bool:
        """Whether any value changes."""
        return self.scaled and (self.low, self.high) != (-1.0, 1.0)

    def apply_(self, x: Tensor) -> Tensor:
        """Scale a float tensor in place and return it."""
        if not self.changes:
            return x
        middle, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        # Pixels of 8 bits take the same operations in every form, so that the results are equal.
        return x.div_(half).sub_(middle / half)

    def check(self, x: Tensor, where: str) -> None:
        """Raise a ValueError if a value of the samples `x` is outside of the range."""
        low, high = extremes(x)
        slack = _ROUNDING * max(abs(self.low), abs(self.high))
        if not (low >= self.low - slack and high <= self.high + slack):
            raise ValueError(
                f"data: expected values in [{self.low:g}, {self.high:g}] like the samples before, "
                f"got {low:g} to {high:g} in {where}; scale all samples alike"
            )

    @property
    def note(self) -> str:
        """What was done, for the line about the data."""
        if not self.scaled:
            return "values unscaled"
        if (self.low, self.high) == (-1.0, 1.0):
            return "values in [-1, 1]"
        return f"values in [{self.low:g}, {self.high:g}] scaled to [-1, 1]"


UNCHANGED = Scaling(float("-inf"), float("inf"), scaled=False)
"""Scaling of vectors and series: none."""


def recognise(low: float, high: float, dtype: torch.dtype, given: object = None) -> Scaling:
    """Recognise the range of images from their smallest and largest value.

    Args:
        low: Smallest value.
        high: Largest value.
        dtype: Type of the values before conversion.
        given: The user's `ValueRange`; None decides by the values.

    Returns:
        The scaling.

    Raises:
        ValueError: Values that fit no range, or two; the message names both.

    Example:
        >>> recognise(0.0, 1.0, torch.float32).note
        'values in [0, 1] scaled to [-1, 1]'
    """
    if given is not None:
        return _of_user(given, low, high)
    if dtype == torch.bool:
        return Scaling(0, 1)
    if dtype == torch.uint8:
        if high == 1:
            raise _ambiguous(low, high, dtype, (0, 255), (0, 1))
        return Scaling(0, 255)
    return _of_floats(low, high) if dtype.is_floating_point else _of_integers(low, high, dtype)


def extremes(x: Tensor, after_chunk: Callable[[], object] = lambda: None) -> tuple[float, float]:
    """Return the smallest and the largest value, NaN if there is one; in chunks.

    Args:
        x: Samples (N, ...).
        after_chunk: Called after each chunk.

    Example:
        >>> extremes(torch.tensor([[1.0, -2.0], [3.0, 0.0]]))
        (-2.0, 3.0)
    """
    lows, highs = list[float](), list[float]()
    for part in chunks(x):
        low, high = _aminmax(part)
        lows.append(low)
        highs.append(high)
        after_chunk()
    both = torch.tensor([lows, highs], dtype=torch.float64)
    return float(both[0].min()), float(both[1].max())


def chunks(x: Tensor) -> Iterator[Tensor]:
    """Split samples along the first axis into views of about `CHUNK_BYTES`."""
    rows = max(1, CHUNK_BYTES * len(x) // max(1, 4 * x.numel()))
    yield from x.split(rows)


def floats(x: Tensor) -> Tensor:
    """Return samples as float32; pixels, uint8, are scaled to [-1, 1] on their device.

    Example:
        >>> floats(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
        tensor([[[[-1.,  1.]]]])
    """
    if x.dtype != torch.uint8:
        return x
    return x.to(torch.float32, memory_format=torch.contiguous_format).div_(127.5).sub_(1.0)


def _aminmax(x: Tensor) -> tuple[float, float]:
    # Several unsigned and half-precision types have no such operation on a CPU.
    wide = torch.int64 if x.dtype in (torch.uint16, torch.uint32, torch.bool) else x.dtype
    low, high = x.to(torch.float32 if x.dtype == torch.float16 else wide).aminmax()
    return float(low), float(high)


def _of_user(given: object, low: float, high: float) -> Scaling:
    if given == "unscaled":
        return Scaling(low, high, scaled=False)
    if not isinstance(given, (tuple, list)) or len(given) != 2 or not given[0] < given[1]:
        raise ValueError(
            f"value_range: expected (low, high) with low < high, or 'unscaled', got {given!r}"
        )
    scaling = Scaling(float(given[0]), float(given[1]))
    if low < scaling.low - _ROUNDING or high > scaling.high + _ROUNDING:
        raise ValueError(
            f"value_range: expected values in [{scaling.low:g}, {scaling.high:g}], "
            f"got {low:g} to {high:g}; give the range that the values have"
        )
    return scaling


def _of_floats(low: float, high: float) -> Scaling:
    if low >= 0:
        if high <= 1 + _ROUNDING:
            return Scaling(0, 1)
        if _BRIGHT <= high <= 255:
            return Scaling(0, 255)
        raise _ambiguous(low, high, torch.float32, (0, 255 if high <= 255 else high), "unscaled")
    largest = max(-low, high)
    if largest <= 1 + _ROUNDING:
        return Scaling(-1, 1)
    if largest <= STANDARDISED_LIMIT:
        return Scaling(-STANDARDISED_LIMIT, STANDARDISED_LIMIT, scaled=False)
    raise _ambiguous(low, high, torch.float32, (low, high), "unscaled")


def _of_integers(low: float, high: float, dtype: torch.dtype) -> Scaling:
    if low >= 0 and high <= 1 and dtype != torch.uint16:
        return Scaling(0, 1)
    if dtype == torch.uint16:
        if high > _TWELVE_BITS:
            return Scaling(0, 65535)
        other = (0, 255) if high <= 255 else (0, _TWELVE_BITS)
        raise _ambiguous(low, high, dtype, (0, 65535), other)
    if low >= 0 and _BRIGHT <= high <= 255:
        return Scaling(0, 255)
    raise _ambiguous(low, high, dtype, (0, 255) if 0 <= low <= high <= 255 else (low, high), None)


def _ambiguous(
    low: float, high: float, dtype: torch.dtype, one: object, other: object
) -> ValueError:
    readings = [reading for reading in (one, other) if reading is not None]
    choices = " or ".join(f"value_range={_plain(reading)}" for reading in readings)
    return ValueError(
        "data: expected images in [-1, 1], in [0, 1], from 0 to 255 or standardised, got "
        f"{str(dtype).removeprefix('torch.')} values from {low:g} to {high:g}; choose with "
        f"load(data, {choices})"
    )


def _plain(reading: object) -> str:
    if not isinstance(reading, tuple):
        return repr(reading)
    return "({})".format(", ".join(f"{value:.9g}" for value in reading))
