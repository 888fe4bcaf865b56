"""Decide which axes of an array are channels, rows and columns, or refuse an ambiguous shape."""

from typing import Literal, cast, get_args

from torch import Tensor

Layout = Literal["ND", "NCL", "NLC", "NHW", "NCHW", "NHWC", "NCDHW", "NDHWC"]
"""Order of the axes: N samples, D features, C channels, L steps of a series, H rows, W columns."""

MOST_CHANNELS = 4
"""Most channels that an axis of an image is recognised by."""

SMALLEST_SIDE = 8
"""Arrays (N, A, B) with a smaller axis are not taken for grey images, unless A equals B."""

WIDEST = 4
"""Largest ratio of the sides of an array (N, A, B) that may hold grey images."""

_MEANINGS = {
    "ND": "vectors of {1} features",
    "NCL": "series of {1} channels and length {2}",
    "NLC": "series of {2} channels and length {1}",
    "NHW": "grey images of {1}x{2}",
    "NCHW": "images of {1} channels and {2}x{3}",
    "NHWC": "images of {3} channels and {1}x{2}",
    "NCDHW": "volumes of {1} channels and {2}x{3}x{4}",
    "NDHWC": "volumes of {4} channels and {1}x{2}x{3}",
}


def layout_of(shape: tuple[int, ...], *, integer: bool, given: str | None = None) -> Layout | None:
    """Return the layout of an array, from its shape and the type of its values.

    An axis holds the channels of images where it is the only one of the two candidates that is
    smaller than both sides. Integers (N, A, B) are grey images; floats are series where A is much
    smaller than B.

    Args:
        shape: Shape of the array, samples first.
        integer: Whether the values are integers or booleans.
        given: The user's choice; None decides by the shape.

    Returns:
        The layout; None for arrays of more than five axes, which stay as they are.

    Raises:
        ValueError: An ambiguous shape, or a choice with another number of axes.

    Example:
        >>> layout_of((8, 3, 32, 48), integer=False), layout_of((8, 32, 48, 3), integer=False)
        ('NCHW', 'NHWC')
    """
    if given is not None:
        return _checked(given, shape)
    match len(shape):
        case 2:
            return "ND"
        case 3:
            return _of_three(shape, integer)
        case 4:
            return _of_images(shape, "NCHW", "NHWC")
        case 5:
            return _of_images(shape, "NCDHW", "NDHWC")
        case _:
            return None


def channel_first(x: Tensor, layout: Layout | None) -> Tensor:
    """Return a view of `x` with the channels after the samples.

    Example:
        >>> import torch
        >>> channel_first(torch.zeros(2, 4, 6, 3), "NHWC").shape
        torch.Size([2, 3, 4, 6])
    """
    if layout == "NHW":
        return x.unsqueeze(1)
    return x.movedim(-1, 1) if layout in ("NHWC", "NLC", "NDHWC") else x


def is_picture(layout: Layout | None) -> bool:
    """Return whether the values of a layout are pixels, which are scaled to [-1, 1]."""
    return layout in ("NHW", "NCHW", "NHWC")


def _checked(given: str, shape: tuple[int, ...]) -> Layout:
    if given not in get_args(Layout):
        raise ValueError(f"layout: expected one of {', '.join(get_args(Layout))}, got {given!r}")
    if len(given) != len(shape):
        raise ValueError(
            f"layout: expected {len(given)} axes for {given!r}, got data of shape {shape}"
        )
    return cast(Layout, given)


def _of_three(shape: tuple[int, ...], integer: bool) -> Layout:
    first, last = shape[1:]
    low, high = min(first, last), max(first, last)
    sides = low >= SMALLEST_SIDE and high <= WIDEST * low
    if integer:
        if sides or first == last:
            return "NHW"
        raise _ambiguous(shape, "NHW", "NCL" if first <= last else "NLC")
    if sides:
        raise _ambiguous(shape, "NHW", "NCL")
    if first > last and first >= SMALLEST_SIDE:
        raise _ambiguous(shape, "NCL", "NLC")
    return "NCL"


def _of_images(shape: tuple[int, ...], first: Layout, last: Layout) -> Layout:
    """Choose the axis of the channels: one of few, smaller than both sides, or the smallest."""
    head, tail, sides = shape[1], shape[-1], shape[2:-1]
    few = [size for size in (head, tail) if size <= MOST_CHANNELS]
    smaller: dict[Layout, bool] = {first: head < min(*sides, tail), last: tail < min(head, *sides)}
    if len(few) != 1 or head == tail:
        clear: list[Layout] = [layout for layout, is_smaller in smaller.items() if is_smaller]
        if len(clear) == 1:
            return clear[0]
        raise _ambiguous(shape, first, last)
    return first if head <= MOST_CHANNELS else last


def _ambiguous(shape: tuple[int, ...], one: str, other: str) -> ValueError:
    readings = [f"{_MEANINGS[name].format(*shape)} (layout={name!r})" for name in (one, other)]
    return ValueError(
        f"data: expected a shape with one reading, got {shape}, {' or '.join(readings)}; "
        f"choose with load(data, layout={one!r})"
    )
