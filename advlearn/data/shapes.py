"""Bring images of several data sets to one shape."""

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.streamed_dataset import StreamedDataset

CHUNK = 10_000  # images resized at once, to bound memory


def match_shapes(
    parts: Sequence[ArrayDataset | StreamedDataset],
) -> list[ArrayDataset | StreamedDataset]:
    """Resize images in memory to one side length and number of channels.

    Args:
        parts: Data sets. Images are resized to the largest side among them (bilinear), and grey
            ones are repeated over the channels where another part has colour. Vectors and streamed
            data stay as they are.

    Returns:
        The data sets in the same order.

    Raises:
        ValueError: Images of 3 channels and of another number above 1.

    Example:
        >>> grey, colour = (
        ...     ArrayDataset(torch.zeros(4, 1, 8, 8)),
        ...     ArrayDataset(torch.zeros(2, 3, 9, 9)),
        ... )
        >>> [part.shape for part in match_shapes([grey, colour])]
        [(3, 9, 9), (3, 9, 9)]
    """
    images = [part for part in parts if isinstance(part, ArrayDataset) and part.kind == "image"]
    if len({part.shape for part in parts}) == 1 or len(images) < len(parts):
        return list(parts)
    channels = max(part.shape[0] for part in images)
    side = max(max(part.shape[1:]) for part in images)
    return [replace(part, stored=_resized(part, channels, side), mapped=False) for part in images]


def _resized(part: ArrayDataset, channels: int, side: int) -> Tensor:
    if part.shape[1:] == (side, side) and part.shape[0] == channels:
        return part.stored
    x = part.x
    if x.shape[1] not in (1, channels):
        raise ValueError(
            f"data: expected images of 1 or {channels} channels, got {x.shape[1]} channels"
        )
    if x.shape[2:] != (side, side):
        chunks = [
            interpolate(chunk, (side, side), mode="bilinear", antialias=True)
            for chunk in x.split(CHUNK)
        ]
        x = torch.cat(chunks)
    return x.expand(-1, channels, -1, -1).contiguous()
