"""MNIST-M: digits on crops of colour photographs, made by the recipe of the paper that introduced it."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch

from advlearn.core.checks import check_choice
from advlearn.data.array_dataset import ArrayDataset
from advlearn.data.to_tensor import samples

DARKEST = 64.0
"""Mean grey level (of 255) below which a photograph is left out: on black, a digit is as it was."""

_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
_SCIKIT_IMAGE = (
    "astronaut",
    "chelsea",
    "coffee",
    "hubble_deep_field",
    "immunohistochemistry",
    "retina",
    "rocket",
)


def mnist_m(
    digits: ArrayDataset, part: Literal["train", "test"] = "train", *, seed: int = 0
) -> ArrayDataset:
    """Put grey digits on colour photographs: |photograph - digit| for each pixel and channel, in levels 0 to 255.

    Each digit gets a crop of its own size, at a random place of a random photograph (see
    `photographs`). The crops of the test part lie in the second quarter of a photograph's width,
    which looks most like the whole, and those of the training part in the first quarter or the
    right half: no pixel is in both. The same digits, part and seed give the same images.

    Args:
        digits: Grey images in [-1, 1], (N, 1, H, W), such as `load("mnist")`; labels are kept.
        part: Which region of the photographs the crops come from.
        seed: Seed of a private generator.

    Returns:
        Images in [-1, 1], float32 (N, 3, H, W). The 60,000 of MNIST take 565 MB.

    Raises:
        ValueError: Images that are not grey, are out of range or do not fit the photographs; no
        such part.
        ImportError: scikit-image, which brings most of the photographs, is not installed.

    Reference: Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016 (image data
    sets).

    Deviations: the paper takes its crops from BSDS500. These photographs are other and fewer, so
    figures compare within one choice of photographs only.
    """
    check_choice("part", part, ("train", "test"))
    if len(digits.shape) != 3 or digits.shape[0] != 1:
        raise ValueError(
            f"digits: expected grey images (1, H, W), got samples of shape {digits.shape}"
        )
    if not digits.bounded:
        low, high = (float(value) for value in digits.x.aminmax())
        raise ValueError(f"digits: expected images in [-1, 1], got values from {low:g} to {high:g}")
    grey = digits.x.cpu().add(1.0).mul_(127.5).round_().to(torch.uint8).numpy()
    colour = np.empty((len(grey), 3, *grey.shape[2:]), dtype=np.uint8)
    generator = torch.Generator().manual_seed(seed)
    pictures = list(photographs().values())
    chosen = torch.randint(len(pictures), (len(grey),), generator=generator)
    place = torch.rand(2, len(grey), generator=generator, dtype=torch.float64).numpy()
    for index, picture in enumerate(pictures):
        mine = np.flatnonzero(chosen.numpy() == index)
        crop = _crops(picture, part, grey.shape[2:], place[:, mine])
        # The absolute difference of two bytes, without a wider type.
        colour[mine] = np.maximum(crop, grey[mine]) - np.minimum(crop, grey[mine])
    return ArrayDataset(
        samples(torch.from_numpy(colour)), digits.y, _name(digits.name, part), digits.classes
    )


@cache
def photographs() -> Mapping[str, np.ndarray]:
    """Colour photographs that ship with scikit-learn (2) and scikit-image (8), less those that are too dark.

    Dark are those with a mean grey level below `DARKEST`: a rocket at night and a field of
    galaxies. The others are a temple, a flower, an astronaut, a cat, a cup of coffee, a motorcycle,
    a stained tissue and a retina.

    Returns:
        Name to picture, uint8 (H, W, 3).

    Raises:
        ImportError: scikit-image is not installed.
    """
    from sklearn.datasets import load_sample_image

    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            "data: the photographs of MNIST-M need scikit-image: pip install scikit-image"
        ) from error
    kept: dict[str, Any] = {name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")}
    kept.update({name: getattr(data, name)() for name in _SCIKIT_IMAGE})
    kept["motorcycle"] = data.stereo_motorcycle()[0]
    bright = {
        name: np.array(picture)
        for name, picture in kept.items()
        if np.mean(picture @ np.array(_GREY)) >= DARKEST
    }
    for picture in bright.values():
        picture.setflags(write=False)  # they are kept for the next call
    return MappingProxyType(bright)


def _crops(picture: np.ndarray, part: str, size: tuple[int, ...], place: np.ndarray) -> np.ndarray:
    """Cut crops (n, 3, H, W) of a part at places (2, n), each a share in [0, 1) of the rows and columns there are."""
    height, width = picture.shape[:2]
    quarter, half = width // 4, width // 2
    before = np.arange(quarter - size[1] + 1)
    after = np.arange(half, width - size[1] + 1)
    left = (
        np.concatenate([before, after])
        if part == "train"
        else quarter + np.arange(half - quarter - size[1] + 1)
    )
    top = np.arange(height - size[0] + 1)
    if min(len(before), len(left), len(top)) < 1:
        raise ValueError(
            f"digits: expected images no larger than {height} x {quarter}, to fit a photograph, got {size}"
        )
    rows, columns = (
        (share * len(free)).astype(np.int64) for share, free in zip(place, (top, left), strict=True)
    )
    windows = np.lib.stride_tricks.sliding_window_view(picture, size, axis=(0, 1))
    # Contiguous: fancy indexing keeps the channels innermost, which makes everything after it slow.
    return np.ascontiguousarray(windows[top[rows], left[columns]])


def _name(digits: str, part: str) -> str:
    stem = f"{digits.removesuffix('-test')}-m"
    return stem if part == "train" else f"{stem}-test"
