"""Kinds of pairs that are made from images: line drawings, noise, holes, halves, frames, tags."""

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import NamedTuple

from torch import Tensor

from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.derived_images import edges, grey, noisy, small, with_hole
from advlearn.data.made import word_vectors
from advlearn.data.moving_digits import moving_digits

MOST_VIDEOS = 10_000
"""Largest number of videos that ``"frames:..."`` makes, one from each image."""


class Kind(NamedTuple):
    """A function from images to inputs and targets, and its summary in one line."""

    make: Callable[[ArrayDataset], tuple[Tensor, Tensor]]
    summary: str


def _from_images(make: Callable[[Tensor], Tensor], data: ArrayDataset) -> tuple[Tensor, Tensor]:
    return make(data.x), data.x


def _grey_to_colour(data: ArrayDataset) -> tuple[Tensor, Tensor]:
    if data.shape[0] != 3:
        raise ValueError(
            f"data: expected colour images (3, H, W) for 'grey', got samples of shape {data.shape}"
        )
    return grey(data.x), data.x


def _frames(data: ArrayDataset) -> tuple[Tensor, Tensor]:
    videos = moving_digits(data.rows(slice(MOST_VIDEOS)))
    return videos[:, :-1].contiguous(), videos[:, -1:].contiguous()


def _halves(data: ArrayDataset, *, back: bool = False) -> tuple[Tensor, Tensor]:
    width = data.shape[2]
    if width % 2:
        raise ValueError(
            f"data: expected images of an even width that hold both sides, got {data.shape}"
        )
    left, right = data.x[..., : width // 2].contiguous(), data.x[..., width // 2 :].contiguous()
    return (right, left) if back else (left, right)


def _tags(data: ArrayDataset) -> tuple[Tensor, Tensor]:
    if data.y is None or not data.classes:
        raise ValueError(
            f"data: expected samples with classes for 'tags', got {data.name!r} without labels"
        )
    return data.x, word_vectors(data.classes)[data.y]


KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "edges": Kind(partial(_from_images, edges), "line drawings to the images they outline"),
        "grey": Kind(_grey_to_colour, "grey images to the colour images they are made from"),
        "small": Kind(partial(_from_images, small), "images of a quarter of the side to the whole"),
        "noisy": Kind(partial(_from_images, noisy), "noisy images to the images without noise"),
        "hole": Kind(
            partial(_from_images, with_hole),
            "images with a hole, and the known pixels as a channel, to the whole images",
        ),
        "frames": Kind(_frames, "four frames of a moving digit to the fifth"),
        "left-to-right": Kind(_halves, "left halves of images to their right halves"),
        "right-to-left": Kind(
            partial(_halves, back=True), "right halves of images to their left halves"
        ),
        "tags": Kind(_tags, "samples to synthetic word vectors of their classes"),
    }
)
