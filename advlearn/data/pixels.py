"""Read the pixels of one picture as an array, for every mode of PIL."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

import numpy as np

Alpha = Literal["white", "black", "drop"]
"""Colour under transparent pixels, or ``"drop"`` to use the colours that they hide."""

_TURNED = (5, 6, 7, 8)
_ORIENTATION = 0x0112
_SIXTEEN_BITS = ("I;16", "I;16L", "I;16B", "I;16N")
_GREY = ("1", "L", "LA", "La", "I", "F", *_SIXTEEN_BITS)
_TRANSPARENT = ("LA", "La", "PA", "RGBA", "RGBa")
_COLOUR = ("RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV", "P", "PA")


class PictureError(ValueError):
    """A picture that is read but refused; its message is complete."""


class Header(NamedTuple):
    """What the header of a picture says.

    Args:
        size: Width and height in the orientation in which it is viewed.
        channels: 1 for grey, 3 for colour.
        kind: "8-bit", "16-bit", "32-bit integer" or "float" values.
    """

    size: tuple[int, int]
    channels: int
    kind: str


def header_of(picture: Any, where: str) -> Header:
    """Return what the header of a picture says.

    Args:
        picture: An opened PIL image.
        where: Name of the picture in errors.

    Raises:
        ValueError: Several frames, or a mode that cannot be read.
    """
    with _naming(where):
        frames = getattr(picture, "n_frames", 1)
        # Pillow decodes a whole PNG file to look for a late orientation.
        early = picture.format != "PNG" or "exif" in picture.info
        turned = early and picture.getexif().get(_ORIENTATION) in _TURNED
    if frames > 1:
        raise PictureError(
            f"data: expected one image in a file, got {frames} frames in {where}; "
            "save each frame as a file"
        )
    if picture.mode not in (*_GREY, *_COLOUR):
        raise PictureError(
            f"data: expected grey or colour pixels, got mode {picture.mode!r} in {where}; "
            "convert it to RGB"
        )
    width, height = picture.size
    size = (height, width) if turned else (width, height)
    grey = picture.mode in _GREY or (picture.mode in ("P", "PA") and _grey_palette(picture))
    return Header(size, 1 if grey else 3, _kind(picture.mode))


def decode(
    picture: Any,
    where: str,
    *,
    channels: int | None = None,
    alpha: Alpha | None = None,
    size: tuple[int, int] | None = None,
) -> np.ndarray[Any, Any]:
    """Read the pixels of a picture in the orientation in which it is viewed.

    Args:
        picture: A PIL image.
        where: Name of the picture in errors.
        channels: 1 or 3; None takes those of the picture.
        alpha: What becomes of transparent pixels; None refuses them.
        size: Height and width to crop around the centre and resize to; None keeps the size.

    Returns:
        uint8, uint16, int32 or float32, (H, W) or (H, W, 3).

    Raises:
        ValueError: A damaged picture, transparent pixels without `alpha`, several frames, or a mode
            that cannot be read.
    """
    from PIL import ImageOps

    header = header_of(picture, where)
    channels = header.channels if channels is None else channels
    with _naming(where):
        picture.load()
        picture = ImageOps.exif_transpose(picture)
        if header.kind != "8-bit":
            return _deep(picture, header, where, size)
        picture = _opaque(picture, where, alpha)
        if size is not None:
            picture = _resized(picture, size)
        return np.array(picture.convert("RGB" if channels == 3 else "L"))


def open_picture(file: Any, where: str) -> Any:
    """Open a file as a PIL image; the caller closes it.

    Args:
        file: Path, or a file of bytes.
        where: Its name in errors.

    Raises:
        ValueError: The file is not an image, or its header is damaged.
    """
    from PIL import Image

    with _naming(where):
        return Image.open(file)


def damaged(where: str, error: Exception) -> ValueError:
    """Return the error about a file that cannot be read."""
    reason = " ".join(str(error).split())
    hint = "" if where in reason else f" ({reason})"
    return ValueError(
        f"data: cannot read {where!r} as an image{hint}; replace or remove the damaged file"
    )


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Turn the errors of PIL, which are of many types, into one that names the picture."""
    try:
        yield
    except PictureError:
        raise
    except Exception as error:
        raise damaged(where, error) from error


def is_picture(value: Any) -> bool:
    """Return whether a value is a PIL image."""
    return hasattr(value, "getbands") and hasattr(value, "convert")


def _kind(mode: str) -> str:
    if mode in _SIXTEEN_BITS:
        return "16-bit"
    return {"I": "32-bit integer", "F": "float"}.get(mode, "8-bit")


def _grey_palette(picture: Any) -> bool:
    palette = picture.getpalette("RGB")
    if not palette:
        return False
    colours = np.array(palette, dtype=np.int64).reshape(-1, 3)
    return bool((colours == colours[:, :1]).all())


def _deep(
    picture: Any, header: Header, where: str, size: tuple[int, int] | None
) -> np.ndarray[Any, Any]:
    """Read values of more than 8 bits, which PIL would clip."""
    if size is not None and picture.size != size[::-1]:
        raise PictureError(
            f"size: expected images of 8 bits, got {header.kind} values in {where}; "
            "resize these files before"
        )
    values = np.array(picture)
    wanted = {"16-bit": np.uint16, "float": np.float32}.get(header.kind, np.int32)
    return values.astype(wanted)


def _opaque(picture: Any, where: str, alpha: Alpha | None) -> Any:
    """Return a picture without transparency."""
    if "transparency" not in picture.info and picture.mode not in (
        "LA",
        "La",
        "PA",
        "RGBA",
        "RGBa",
    ):
        return picture
    grey = picture.mode in ("L", "LA", "La", "1")
    if picture.mode in ("La", "RGBa"):
        picture = picture.convert("LA" if picture.mode == "La" else "RGBA")
    layers = picture.convert("RGBA")
    if layers.getextrema()[3][0] == 255 or alpha == "drop":
        return layers.convert("RGB").convert("L" if grey else "RGB")
    if alpha is None:
        raise PictureError(
            f"data: expected opaque pixels, got transparent ones in {where}; choose what lies "
            "under them with load(data, alpha='white'), 'black' or 'drop'"
        )
    from PIL import Image

    ground = Image.new("RGBA", layers.size, alpha)
    flat = Image.alpha_composite(ground, layers).convert("RGB")
    return flat.convert("L") if grey else flat


def _resized(picture: Any, size: tuple[int, int]) -> Any:
    from PIL import Image, ImageOps

    if picture.size == size[::-1]:
        return picture
    smooth = picture if picture.mode in ("L", "RGB", "CMYK", "YCbCr") else picture.convert("RGB")
    height, width = size
    return ImageOps.fit(smooth, (width, height), Image.Resampling.LANCZOS)
