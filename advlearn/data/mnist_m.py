"""Make MNIST-M: digits on crops of colour photographs (Ganin et al. 2016)."""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch

from advlearn.core.arguments import Seed, checked
from advlearn.core.checks import check_choice
from advlearn.data.array_dataset import ArrayDataset

DARKEST = 64.0
"""Mean grey level (of 255) below which a photograph is left out: black leaves digits unchanged."""

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


@checked
def mnist_m(
    digits: ArrayDataset, part: Literal["train", "test"] = "train", *, seed: Seed = 0
) -> ArrayDataset:
    r"""Blend grey digits into crops of colour photographs.

    .. math:: x = |p - d|

    for each pixel and channel of a crop p and a digit d, in levels 0 to 255. Each crop has the
    digit's size and lies at a random place of a random photograph (see `photographs`). The crops of
    the test part lie in the second quarter of a photograph's width, which resembles the whole most,
    and those of the training part in the first quarter or the right half; no pixel is in
    both. The same digits, part and seed give the same images.

    Args:
        digits: Grey images in [-1, 1], (N, 1, H, W), such as `load("mnist")`; labels are pictures.
        part: Which region of the photographs the crops come from.
        seed: Seed of a private generator.

    Returns:
        Images (N, 3, H, W), held as pixels. The 60,000 of MNIST take 141 MB.

    Raises:
        ValueError: Images that are not grey, are out of range or are larger than the photographs;
            an unknown part.
        ImportError: scikit-image, which has most of the photographs, is not installed.

    Reference: Ganin et al., "Domain-Adversarial Training of Neural Networks", JMLR 2016 (image data
    sets).

    Deviations: the paper takes its crops from BSDS500. These photographs differ and are fewer, so
    results are comparable only for the same photographs.
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
        rows = np.flatnonzero(chosen.numpy() == index)
        crop = _crops(picture, part, grey.shape[2:], place[:, rows])
        # The absolute difference of two bytes, in bytes.
        colour[rows] = np.maximum(crop, grey[rows]) - np.minimum(crop, grey[rows])
    return ArrayDataset(
        torch.from_numpy(colour), digits.y, _name(digits.name, part), digits.classes
    )


@cache
def photographs() -> Mapping[str, np.ndarray]:
    """Load the colour photographs that ship with scikit-learn and scikit-image.

    Two with a mean grey level below `DARKEST` are left out: a rocket at night and a field of
    galaxies. The others are a temple, a flower, an astronaut, a cat, a cup of coffee, a motorcycle,
    a stained tissue and a retina.

    Returns:
        Photographs by name, uint8 (H, W, 3).

    Raises:
        ImportError: scikit-image is not installed.
    """
    from sklearn.datasets import load_sample_image

    try:
        from skimage import data
    except ImportError as error:
        raise ImportError(
            "data: expected scikit-image for the photographs of MNIST-M, which is not installed; "
            "run pip install scikit-image"
        ) from error
    pictures: dict[str, Any] = {
        name: load_sample_image(f"{name}.jpg") for name in ("china", "flower")
    }
    pictures.update({name: getattr(data, name)() for name in _SCIKIT_IMAGE})
    pictures["motorcycle"] = data.stereo_motorcycle()[0]
    bright = {
        name: np.array(picture)
        for name, picture in pictures.items()
        if np.mean(picture @ np.array(_GREY)) >= DARKEST
    }
    for picture in bright.values():
        picture.setflags(write=False)  # the cache returns the same arrays again
    return MappingProxyType(bright)


def _crops(picture: np.ndarray, part: str, size: tuple[int, ...], place: np.ndarray) -> np.ndarray:
    """Cut crops (n, 3, H, W) of a part at places (2, n), fractions of the free rows and columns."""
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
            f"digits: expected images no larger than {height} x {quarter}, the crops of a "
            f"photograph, got {size}"
        )
    rows, columns = (
        (fraction * len(free)).astype(np.int64)
        for fraction, free in zip(place, (top, left), strict=True)
    )
    windows = np.lib.stride_tricks.sliding_window_view(picture, size, axis=(0, 1))
    # Contiguous: fancy indexing keeps the channels innermost, which slows every later operation.
    return np.ascontiguousarray(windows[top[rows], left[columns]])


def _name(digits: str, part: str) -> str:
    stem = f"{digits.removesuffix('-test')}-m"
    return stem if part == "train" else f"{stem}-test"
