"""Embed picture files in a page, smaller and fewer of them where they do not fit."""

import base64
import io
from contextlib import suppress
from pathlib import Path
from typing import Any

from advlearn.page.content import thinned

MOST_FRAMES = 300
"""Largest number of pictures of one run."""
LARGEST_SIDE = 20_000
"""A picture with a longer side is left out, since it could fill the memory."""
# Number of pictures and their longest side in pixels, from the best to the smallest.
ROUNDS = ((120, 1280), (100, 900), (80, 640), (60, 480), (40, 320), (24, 240), (12, 160), (4, 120))
_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def embedded(files: list[tuple[int, Path]], room: int) -> tuple[list[tuple[int, str]], list[str]]:
    """Return pictures as data addresses that fit together into a number of bytes.

    Args:
        files: Steps and PNG files.
        room: Largest sum of the lengths of the addresses.

    Returns:
        Steps and addresses, and what was thinned out in words.
    """
    readable = [(step, path) for step, path in files if _is_readable(path)]
    notes = []
    if len(readable) < len(files):
        notes.append(f"{len(files) - len(readable)} pictures could not be read.")
    size = sum(path.stat().st_size for _, path in readable)
    if size * 4 / 3 + 64 * len(readable) <= room and len(readable) <= MOST_FRAMES:
        return [(step, _address(path.read_bytes(), "png")) for step, path in readable], notes
    for most, side in ROUNDS:
        kept = thinned(readable, most)
        # A few pictures tell whether this round can fit, before all are written.
        some = [_smaller(path, side) for _, path in thinned(kept, 3)]
        if sum(map(len, some)) / max(1, len(some)) * len(kept) > 1.1 * room:
            continue
        addresses = [(step, _smaller(path, side)) for step, path in kept]
        if sum(len(address) for _, address in addresses) <= room:
            notes.append(
                f"{len(kept)} of {len(readable)} pictures are shown, with at most {side} pixels "
                "a side."
            )
            return [(step, address) for step, address in addresses if address], notes
    return [], [*notes, f"{len(readable)} pictures were left out, since they are too large."]


def _is_readable(path: Path) -> bool:
    """Return whether a file is a PNG of a bounded size; its pixels are not read."""
    with suppress(OSError), path.open("rb") as file:
        head = file.read(24)
        sides = [int.from_bytes(head[start : start + 4], "big") for start in (16, 20)]
        return head[:8] == _SIGNATURE and all(0 < side <= LARGEST_SIDE for side in sides)
    return False


def _smaller(path: Path, side: int) -> str:
    """Return the picture with at most `side` pixels a side; an empty text if it is damaged."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            picture: Any = image.convert("RGB")
    # A damaged file can raise errors of many kinds.
    except Exception:
        return ""
    picture.thumbnail((side, side))
    return min((_address(_encoded(picture, kind), kind) for kind in ("png", "jpeg")), key=len)


def _encoded(picture: Any, kind: str) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, format=kind, **({"quality": 85} if kind == "jpeg" else {"optimize": True}))
    return buffer.getvalue()


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
