"""Make files that are damaged, or that someone wrote to do harm."""

import copy
import random
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch


def flipped(whole: bytes, places: int, seed: int = 0) -> Iterator[bytes]:
    """Yield copies with one other bit at places over the whole file, its ends included."""
    draw = random.Random(seed)
    ends = {*range(40), *range(len(whole) - 120, len(whole), 7)}
    spread = {len(whole) * i // places for i in range(places)}
    for place in sorted(ends | spread):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << draw.randrange(8)
        yield bytes(damaged)


def rewritten(path: Path, target: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a copy of a checkpoint after a change of its content, without a checksum."""
    content = copy.deepcopy(torch.load(path, weights_only=True))
    change(content)
    torch.save(content, target)
    return target


def one_line(error: BaseException) -> str:
    """Return the message of an error after a check that it is one line of our own words."""
    text = str(error)
    assert text and "\n" not in text
    assert "weights_only" not in text and "torch.load" not in text and "miniz" not in text
    return text


def repacked(path: Path, target: Path, compression: int) -> Path:
    """Write the parts of a zip file again in another compression."""
    with zipfile.ZipFile(path) as source, zipfile.ZipFile(target, "w", compression) as archive:
        for part in source.infolist():
            archive.writestr(part.filename, source.read(part))
    return target
