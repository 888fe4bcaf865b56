"""A zoo of files and arrays for `readers.py`: each with its pixels, or the line that refuses it.

The expected pixels are computed here with numpy from the values that are written, so that they do
not depend on the reader. A case that must be refused names a part of the message.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 16, 12
COUNT = 3
Build = Callable[[Path], "np.ndarray[Any, Any] | str"]


@dataclass(frozen=True)
class Case:
    """A member of the zoo.

    Args:
        name: Name in the table.
        build: Function that writes files into a folder, or returns the array; it returns the
            expected samples (N, C, H, W) in [-1, 1], or a part of the refusal.
        options: Options of `load`.
        flat: Whether the files can also be read through a Dataset of pictures.
    """

    name: str
    build: Callable[..., Any]
    options: dict[str, Any] = field(default_factory=dict[str, Any])
    flat: bool = True


def levels(seed: int = 0, channels: int = 0, high: int = 256) -> np.ndarray[Any, Any]:
    """Return random pixels that use their whole range, (H, W) or (H, W, C)."""
    shape = (HEIGHT, WIDTH, channels) if channels else (HEIGHT, WIDTH)
    values = np.random.default_rng(seed).integers(0, high, shape)
    values[0, 0], values[0, 1] = 0, high - 1
    return values.astype(np.uint8 if high <= 256 else np.int64)


def scaled(values: np.ndarray[Any, Any], low: float = 0, high: float = 255) -> np.ndarray[Any, Any]:
    """Return pictures (H, W), (H, W, C) or several of them as (N, C, H, W) in [-1, 1]."""
    x = np.asarray(values, dtype=np.float64)
    x = x[None] if x.shape[:2] == (HEIGHT, WIDTH) else x
    x = x[:, None] if x.ndim == 3 else np.moveaxis(x, -1, 1)
    return (x - low) / (high - low) * 2 - 1


def one(picture: Any, name: str = "a.png", **settings: Any) -> Callable[[Path], None]:
    """Return a function that saves a picture in a folder."""
    return lambda folder: picture.save(folder / name, **settings)


def of_file(
    save: Callable[[Path], Any], expected: np.ndarray[Any, Any] | str
) -> Callable[[Path], Any]:
    """Return the build of a case of files."""

    def build(folder: Path) -> Any:
        save(folder)
        return expected

    return build


def _grey(**settings: Any) -> Callable[[Path], Any]:
    return one(Image.fromarray(levels()), **settings)


def _transparent(channels: int) -> Image.Image:
    """Return a picture whose upper half is transparent over another colour."""
    colour = levels(1, channels) if channels > 1 else levels(1)[..., None]
    pixels = np.dstack([colour, np.full((HEIGHT, WIDTH), 255, np.uint8)])
    pixels[: HEIGHT // 2, :, :channels] = 200
    pixels[: HEIGHT // 2, :, channels] = 0
    return Image.fromarray(pixels)


def _ground(channels: int, value: int) -> np.ndarray[Any, Any]:
    colour = levels(1, channels) if channels > 1 else levels(1)
    pixels = colour.copy()
    pixels[: HEIGHT // 2] = value
    return scaled(pixels)


def _turned(orientation: int) -> tuple[Image.Image, Any]:
    """Return a picture that is stored turned, and the setting that says so."""
    upright = levels()
    undo: dict[int, Callable[[Any], Any]] = {
        2: np.fliplr,
        3: lambda x: np.rot90(x, 2),
        4: np.flipud,
        5: np.transpose,
        6: np.rot90,
        7: lambda x: np.rot90(x, 2).T,
        8: lambda x: np.rot90(x, -1),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    return Image.fromarray(np.ascontiguousarray(undo[orientation](upright))), exif


def _cut(name: str, share: float) -> Callable[[Path], Any]:
    def save(folder: Path) -> None:
        for other in ("a", "z"):
            Image.fromarray(levels(2, 3)).save(folder / f"{other}{Path(name).suffix}")
        Image.fromarray(levels(2, 3)).save(folder / name)
        content = (folder / name).read_bytes()
        (folder / name).write_bytes(content[: int(share * len(content))])

    return save


def _several(*saves: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def save(folder: Path) -> None:
        for each in saves:
            each(folder)

    return save


def _in(name: str, save: Callable[[Path], Any]) -> Callable[[Path], Any]:
    def inside(folder: Path) -> None:
        (folder / name).mkdir(parents=True, exist_ok=True)
        save(folder / name)

    return inside


def _frames(name: str) -> Callable[[Path], Any]:
    first, second = Image.fromarray(levels()), Image.fromarray(levels(1))
    return one(first, name, save_all=True, append_images=[second])


def _as(values: np.ndarray[Any, Any], dtype: Any, high: float) -> np.ndarray[Any, Any]:
    """Spread pixels from 0 to 255 over 0 to `high`."""
    wide = values.astype(np.float64) / 255 * high
    return (wide.round() if np.dtype(dtype).kind in "iu" else wide).astype(dtype)


def file_cases() -> list[Case]:
    """Return the cases of folders of files."""
    grey, colour = levels(), levels(1, 3)
    return [*_modes(grey, colour), *_alpha(grey), *_depths(grey), *_containers(grey, colour)]


def _modes(grey: Any, colour: Any) -> list[Case]:
    palette = Image.fromarray(colour).quantize(200)
    keyed = Image.fromarray(grey).convert("P")
    cmyk = Image.fromarray(colour).convert("CMYK")
    black = Image.fromarray((grey > 99).astype(np.uint8) * 255).convert("1")
    lab = Image.new("LAB", (WIDTH, HEIGHT))
    turns = [
        Case(f"orientation {k}", of_file(one(_turned(k)[0], exif=_turned(k)[1]), scaled(levels())))
        for k in range(2, 9)
    ]
    return [
        Case("grey", of_file(one(Image.fromarray(grey)), scaled(grey))),
        Case("colour", of_file(one(Image.fromarray(colour)), scaled(colour))),
        Case("one bit", of_file(one(black), scaled((grey > 99) * 255))),
        Case("palette", of_file(one(palette), scaled(np.array(palette.convert("RGB"))))),
        Case("grey palette", of_file(one(keyed), scaled(grey))),
        Case("CMYK tif", of_file(one(cmyk, "a.tif"), scaled(colour))),
        Case("LAB tif", of_file(one(lab, "a.tif"), "got mode 'LAB'")),
        *turns,
    ]


def _alpha(grey: Any) -> list[Case]:
    refused = "expected opaque pixels"
    clear, half = _transparent(3), _transparent(1)
    colour = levels(1, 3)
    opaque = Image.fromarray(colour).convert("RGBA")
    keyed = Image.fromarray(grey).convert("P")
    cases = [
        Case("RGBA, opaque", of_file(one(opaque), scaled(colour))),
        Case("RGBA, transparent", of_file(one(clear), refused)),
        Case("LA, opaque", of_file(one(Image.fromarray(grey).convert("LA")), scaled(grey))),
        Case("LA, transparent", of_file(one(half), refused)),
        Case("LA, white", of_file(one(half), _ground(1, 255)), {"alpha": "white"}),
        Case("palette, key used", of_file(one(keyed, transparency=int(grey[3, 3])), refused)),
        Case("colour, key", of_file(one(Image.fromarray(colour), transparency=(0, 0, 0)), refused)),
    ]
    for alpha, value in (("white", 255), ("black", 0), ("drop", 200)):
        cases.append(
            Case(f"RGBA, {alpha}", of_file(one(clear), _ground(3, value)), {"alpha": alpha})
        )
    return cases


def _depths(grey: Any) -> list[Case]:
    def saved(dtype: Any, high: float, name: str) -> Callable[[Path], Any]:
        return one(Image.fromarray(_as(grey, dtype, high)), name)

    def seen(dtype: Any, high: float, top: float | None = None) -> np.ndarray[Any, Any]:
        return scaled(_as(grey, dtype, high), 0, high if top is None else top)

    u, i, f = np.uint16, np.int32, np.float32
    return [
        Case("16 bits png", of_file(saved(u, 65535, "a.png"), seen(u, 65535))),
        Case("16 bits tif", of_file(saved(u, 65535, "a.tif"), seen(u, 65535))),
        Case("16 bits, dark", of_file(saved(u, 255, "a.png"), "value_range=(0, 65535)")),
        Case("12 bits", of_file(saved(u, 4095, "a.png"), "or value_range=(0, 4095)")),
        Case(
            "12 bits, chosen",
            of_file(saved(u, 4095, "a.png"), seen(u, 4095)),
            {"value_range": (0, 4095)},
        ),
        Case("float, 0 to 1", of_file(saved(f, 1, "a.tif"), seen(f, 1))),
        Case("float, 0 to 255", of_file(saved(f, 255, "a.tif"), seen(f, 255))),
        Case("float, 0 to 3000", of_file(saved(f, 3000, "a.tif"), "value_range=(0, 3000)")),
        Case(
            "float, chosen",
            of_file(saved(f, 3000, "a.tif"), seen(f, 3000)),
            {"value_range": (0, 3000)},
        ),
        Case("32 bits", of_file(saved(i, 10**6, "a.tif"), "value_range=(0, 1000000)")),
        Case(
            "32 bits, chosen",
            of_file(saved(i, 10**6, "a.tif"), seen(i, 10**6)),
            {"value_range": (0, 10**6)},
        ),
    ]


def _containers(grey: Any, colour: Any) -> list[Case]:
    picture, second = Image.fromarray(grey), Image.fromarray(levels(3))
    deep = Image.fromarray(_as(grey, np.uint16, 65535))
    small = Image.fromarray(grey[:8])
    both = np.concatenate([scaled(grey), scaled(levels(3))])
    mixed = np.concatenate([scaled(np.repeat(grey[..., None], 3, 2)), scaled(colour)])
    notes = _several(_grey(), lambda folder: (folder / "Thumbs.db").write_bytes(b"no picture"))
    classes = _several(_in("cat", _grey()), _in("dog", one(second)))
    split = _several(_in("train/cat", _grey()), _in("val/cat", one(second)))
    deeper = _several(_in("cat/young", _grey()), _in("dog", _grey()))
    return [
        Case("bmp", of_file(one(Image.fromarray(colour), "a.bmp"), scaled(colour))),
        Case(
            "webp", of_file(one(Image.fromarray(colour), "a.webp", lossless=True), scaled(colour))
        ),
        Case("ppm", of_file(one(Image.fromarray(colour), "a.ppm"), scaled(colour))),
        Case("pgm", of_file(one(picture, "a.pgm"), scaled(grey))),
        Case("gif", of_file(one(picture, "a.gif"), scaled(grey))),
        Case("upper-case suffix", of_file(one(picture, "A.PNG"), scaled(grey))),
        Case("other files ignored", of_file(notes, scaled(grey)), flat=False),
        Case("gif of frames", of_file(_frames("a.gif"), "got 2 frames")),
        Case("tif of pages", of_file(_frames("a.tif"), "got 2 frames")),
        Case("jpg cut at 70 %", of_file(_cut("b.jpg", 0.7), "cannot read")),
        Case("png cut at 70 %", of_file(_cut("b.png", 0.7), "cannot read")),
        Case("jpg header only", of_file(_cut("b.jpg", 0.02), "cannot read")),
        Case("empty file", of_file(_cut("b.png", 0.0), "cannot read")),
        Case(
            "grey among colour",
            of_file(_several(one(picture, "a.png"), one(Image.fromarray(colour), "b.png")), mixed),
        ),
        Case("8 and 16 bits", of_file(_several(one(picture), one(deep, "b.png")), "expected")),
        Case("two sizes", of_file(_several(one(picture), one(small, "b.png")), "expected")),
        Case("classes", of_file(classes, both), flat=False),
        Case("split", of_file(split, scaled(grey)), flat=False),
        Case(
            "split without train", of_file(_in("val", _grey()), "a split with 'train'"), flat=False
        ),
        Case("nested classes", of_file(deeper, "got none in 'cat'"), flat=False),
        Case(
            "inside and outside",
            of_file(_several(_grey(), _in("cat", _grey())), "inside or all outside"),
            flat=False,
        ),
        Case("no image", of_file(lambda folder: None, "got none"), flat=False),
    ]


def array_cases() -> list[Case]:
    """Return the cases of arrays; each build returns the array and the expected samples."""
    grey = np.stack([levels(k) for k in range(COUNT)])
    colour = np.stack([levels(k, 3) for k in range(COUNT)])
    four = np.stack([levels(k, 4) for k in range(COUNT)])
    first = np.ascontiguousarray(np.moveaxis(colour, -1, 1))
    mask = scaled(grey > 99, 0, 1)
    deep = _as(grey, np.uint16, 65535)
    made: list[tuple[str, Any, Any, dict[str, Any]]] = [
        ("uint8 NHW", grey, scaled(grey), {}),
        ("uint8 NHW1", grey[..., None], scaled(grey), {}),
        ("uint8 N1HW", grey[:, None], scaled(grey), {}),
        ("uint8 NHW3", colour, scaled(colour), {}),
        ("uint8 N3HW", first, scaled(colour), {}),
        ("uint8 NHW4", four, scaled(four), {}),
        ("uint8 NHW2", four[..., :2], scaled(four[..., :2]), {}),
        ("uint8 reversed", colour[:, ::-1], scaled(colour[:, ::-1]), {}),
        ("uint8 of 0 and 1", (grey > 99).astype(np.uint8), "value_range=(0, 1)", {}),
        (
            "uint8 mask",
            (grey > 99).astype(np.uint8),
            scaled(grey > 99, 0, 1),
            {"value_range": (0, 1)},
        ),
        ("bool NHW", grey > 99, mask, {}),
        ("int64 NHW3", colour.astype(np.int64), scaled(colour), {}),
        ("int32 0 to 16", (grey // 16).astype(np.int32), "choose with load", {}),
        ("int16 negative", grey.astype(np.int16) - 300, "value_range=(-300, -45)", {}),
        (
            "uint16 NHW",
            deep,
            scaled(deep, 0, 65535),
            {},
        ),
        ("uint16 of 8 bits", grey.astype(np.uint16), "value_range=(0, 65535)", {}),
        ("uint8 N3L", grey[:, :3, :].repeat(10, 2), "layout='NHW'", {}),
        ("float NHW", _as(grey, np.float32, 1), "layout='NHW'", {}),
        ("float NHW, chosen", _as(grey, np.float32, 1), scaled(grey), {"layout": "NHW"}),
        ("float NHW3 square", _as(colour[:, :12], np.float32, 1), _square(colour), {}),
        ("float N333", _as(colour[:, :3, :3], np.float32, 1), "layout='NCHW'", {}),
        ("uint8 N4HW of 4x4", four[:, :4, :4], "layout='NCHW'", {}),
        ("float NaN", np.where(grey[:, None] == 0, np.nan, 0.5), "finite values", {}),
        ("float inf", np.where(grey[:, None] == 0, np.inf, 0.5), "finite values", {}),
        ("empty", colour[:0], "at least one sample", {}),
        ("strings", grey.astype(str), "numeric array", {}),
    ]
    for dtype in (np.float16, np.float32, np.float64):
        name = np.dtype(dtype).name
        unit = _as(colour, dtype, 1)
        exact = unit.astype(np.float64)
        made += [
            (f"{name} NHW3 0 to 1", unit, scaled(exact, 0, 1), {}),
            (
                f"{name} N3HW 0 to 1",
                np.moveaxis(_as(colour, dtype, 1), -1, 1),
                scaled(exact, 0, 1),
                {},
            ),
            (f"{name} N3HW -1 to 1", np.moveaxis(exact * 2 - 1, -1, 1), scaled(exact, 0, 1), {}),
        ]
    wide = _as(colour, np.float32, 255)
    normal = (np.moveaxis(wide, -1, 1) - 120) / 60
    made += [
        ("float 0 to 255", wide, scaled(colour), {}),
        ("float 0 to 16", wide / 255 * 16, "value_range=(0, 255)", {}),
        ("float 0 to 16, chosen", wide / 255 * 16, scaled(colour), {"value_range": (0, 16)}),
        ("float standardised", normal, normal, {}),
        ("float -20 to 20", normal * 10, "'unscaled'", {}),
        ("float 0 to 1, big end", _as(colour, ">f4", 1), scaled(colour), {}),
    ]
    return [Case(name, _returned(x, y), options) for name, x, y, options in made]


def _square(colour: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.moveaxis(colour[:, :12].astype(np.float64), -1, 1) / 127.5 - 1


def _returned(x: Any, expected: Any) -> Callable[[], tuple[Any, Any]]:
    return lambda: (x, expected)
