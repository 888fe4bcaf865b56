"""One door for domains: names joined by an arrow, or a source and a target of any usual form."""

from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from advlearn.data.array_dataset import ArrayDataset, show
from advlearn.data.compound import Domains, Part
from advlearn.data.load import load
from advlearn.data.streamed_dataset import StreamedDataset
from advlearn.data.to_tensor import labels

ARROW = "->"


def open_domains(data: Any) -> Domains:
    """Read source and target domains, and bring images of another size or without colour to one shape.

    Args:
        data: ``"mnist->usps"``, with several sources ``"mnist,usps->mnist-m"``; a tuple (source,
            target) or ((source, source, ...), target) of whatever `load` takes, with known classes
            of target samples as a third part, -1 where unknown; or `Domains`.

    Returns:
        The domains. Images in memory are resized to the largest side among them (bilinear), and
        grey ones repeated over the channels where another domain has colour.

    Raises:
        TypeError: A target that is drawn lazily.
        ValueError: No target or no source, a source without labels, shapes that cannot be brought
            together, known classes of another length or that no source has.

    Example:
        >>> open_domains("digits->digits").name
        'digits->digits'
    """
    if isinstance(data, Domains):
        return data
    known: Any = None
    if isinstance(data, str):
        before, arrow, after = data.partition(ARROW)
        if not arrow or not before.strip() or not after.strip():
            raise ValueError(
                f"data: expected 'source->target', for instance 'mnist->usps', got {data!r}"
            )
        sources: list[Any] = [name.strip() for name in before.split(",")]
        target: Any = after.strip()
    elif isinstance(data, tuple) and len(data) in (2, 3):
        first, target, known = data if len(data) == 3 else (*data, None)
        several = isinstance(first, tuple | list) and not _is_pair(first)
        sources = list(first) if several else [first]
    else:
        expected = "(source, target), (source, target, known) or 'source->target'"
        raise ValueError(f"data: expected {expected}, got {show(data)}")
    parts = alike([load(part) for part in (*sources, target)])
    # `Domains` itself refuses a target that is not in memory.
    return Domains(
        tuple(parts[:-1]),
        cast(ArrayDataset, parts[-1]),
        None if known is None else labels(known, "known"),
    )


def _is_pair(x: Any) -> bool:
    """Whether this is one data set (x, y) and not several."""
    return len(x) == 2 and hasattr(x[0], "shape") and getattr(x[1], "ndim", 0) == 1


def alike(parts: list[ArrayDataset | StreamedDataset]) -> list[Part]:
    """Bring images in memory to one side and number of channels; leave everything else as it is."""
    shapes = {part.shape for part in parts}
    images = [part for part in parts if isinstance(part, ArrayDataset) and part.kind == "image"]
    if len(shapes) == 1 or len(images) < len(parts):
        return list(parts)
    channels = max(part.shape[0] for part in images)
    side = max(max(part.shape[1:]) for part in images)
    return [
        ArrayDataset(_brought(part.x, channels, side), part.y, part.name, part.classes)
        for part in images
    ]


def _brought(x: Tensor, channels: int, side: int) -> Tensor:
    if x.shape[1] not in (1, channels):
        raise ValueError(
            f"data: images of {x.shape[1]} and of {channels} channels cannot be brought together"
        )
    if x.shape[2:] != (side, side):
        x = torch.cat(
            [
                interpolate(part, (side, side), mode="bilinear", antialias=True)
                for part in x.split(10_000)
            ]
        )
    return x.expand(-1, channels, -1, -1).contiguous()
