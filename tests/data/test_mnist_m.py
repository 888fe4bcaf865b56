import sys
from collections.abc import Iterator
from functools import cache

import numpy as np
import pytest
import torch

from advlearn.data import ArrayDataset, load, mnist_m, photographs
from advlearn.data.mnist_m import DARKEST, _crops
from tests.data.test_datasets import need


@pytest.fixture(scope="module", autouse=True)
def _scikit_image():
    pytest.importorskip(
        "skimage", reason="scikit-image, an optional package, brings the photographs"
    )


def blank(n: int, level: float, size: int = 28) -> ArrayDataset:
    return ArrayDataset(torch.full((n, 1, size, size), level), torch.arange(n) % 10, "mnist", 10)


def levels(source: ArrayDataset) -> np.ndarray:
    """Return images as bytes (N, H, W, 3)."""
    return ((source.x + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()


def packed(picture: np.ndarray) -> np.ndarray:
    """Return one number for each colour."""
    red, green, blue = np.moveaxis(picture.astype(np.int32), 2, 0)
    return red << 16 | green << 8 | blue


@cache
def colours_of(name: str) -> np.ndarray:
    return packed(photographs()[name])


def places(crop: np.ndarray) -> Iterator[tuple[str, int]]:
    """Yield the photograph and the left edge of every place where a crop lies."""
    for name in photographs():
        colours, wanted = colours_of(name), packed(crop)
        room = tuple(
            have - want + 1 for have, want in zip(colours.shape, wanted.shape, strict=True)
        )
        diagonal = [
            colours[k:, k:][: room[0], : room[1]] == wanted[k, k] for k in range(0, len(crop), 9)
        ]
        for row, column in zip(*np.nonzero(np.logical_and.reduce(diagonal)), strict=True):
            if (colours[row:, column:][: len(crop), : len(crop)] == wanted).all():
                yield name, int(column)


def test_a_black_digit_keeps_the_photograph_and_a_white_one_inverts_it():
    black, white = levels(mnist_m(blank(16, -1.0))), levels(mnist_m(blank(16, 1.0)))
    assert all(any(places(crop)) for crop in black)
    assert (white == 255 - black).all()


def test_it_is_the_absolute_difference():
    digits = ArrayDataset(
        torch.rand(40, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    )
    grey = ((digits.x + 1) * 127.5).round().to(torch.int64).permute(0, 2, 3, 1).numpy()
    crop = levels(mnist_m(blank(40, -1.0))).astype(np.int64)
    blended = mnist_m(digits)
    assert (levels(blended) == np.abs(crop - grey)).all()
    assert (
        blended.shape == (3, 28, 28)
        and blended.bounded
        and blended.x.dtype == torch.float32
        and blended.y is None
    )


def test_the_two_parts_use_disjoint_regions():
    # The test part has the columns from a quarter to a half of the width. A black crop matches
    # everywhere.
    corners = {"train": set(), "test": set()}
    for part, sides in corners.items():
        blended = levels(mnist_m(blank(30, -1.0), part, seed=4))
        for crop in (crop for crop in blended if np.ptp(crop) > 9):
            matches = []
            for name, left in places(crop):
                width = photographs()[name].shape[1]
                side = (
                    "left"
                    if left + 28 <= width // 4
                    else "right"
                    if left >= width // 2
                    else "across"
                )
                matches.append((name, "middle" if width // 4 <= left <= width // 2 - 28 else side))
            assert {side for _, side in matches} & (
                {"middle"} if part == "test" else {"left", "right"}
            )
            sides.update(matches if len(matches) == 1 else [])
    assert {side for _, side in corners["train"]} == {"left", "right"} and {
        side for _, side in corners["test"]
    } == {"middle"}
    # Every photograph is used.
    assert {name for name, _ in corners["train"] | corners["test"]} == set(photographs())


def test_crops_reach_the_borders_of_a_region():
    picture = np.arange(40 * 101 * 3, dtype=np.uint8).reshape(
        40, 101, 3
    )  # columns 0-24 and 50-100, test 25-49
    picture = np.random.default_rng(0).permutation(picture.ravel()).reshape(picture.shape)

    def cut(part: str, row: float, column: float) -> np.ndarray:
        return _crops(picture, part, (8, 10), np.array([[row], [column]]))[0].transpose(1, 2, 0)

    last, places_of_train = 1 - 1e-12, 16 + 42
    assert (cut("test", 0.0, 0.0) == picture[:8, 25:35]).all()
    assert (cut("test", last, last) == picture[32:, 40:50]).all()
    assert (cut("train", 0.0, 0.0) == picture[:8, :10]).all()
    assert (cut("train", 0.5, 15.5 / places_of_train) == picture[16:24, 15:25]).all()
    assert (cut("train", 0.5, 16.5 / places_of_train) == picture[16:24, 50:60]).all()
    assert (cut("train", last, last) == picture[32:, 91:]).all()


def test_the_seed_decides_the_images():
    digits = blank(20, 0.0)
    one, again, other = (mnist_m(digits, seed=seed).x for seed in (0, 0, 1))
    assert torch.equal(one, again) and not torch.equal(one, other)
    state = torch.random.get_rng_state()
    mnist_m(digits)
    assert torch.equal(torch.random.get_rng_state(), state)


def grey_level(picture: np.ndarray) -> float:
    return float((picture @ np.array([0.299, 0.587, 0.114])).mean())


def test_dark_photographs_are_left_out():
    from skimage import data

    names = (
        "china",
        "flower",
        "astronaut",
        "chelsea",
        "coffee",
        "immunohistochemistry",
        "retina",
        "motorcycle",
    )
    assert tuple(photographs()) == names
    assert min(grey_level(picture) for picture in photographs().values()) >= DARKEST
    assert (
        max(grey_level(picture) for picture in (data.rocket(), data.hubble_deep_field())) < DARKEST
    )
    for picture in photographs().values():
        assert picture.dtype == np.uint8 and picture.shape[2] == 3 and not picture.flags.writeable


def test_the_data_set_is_opened_by_name():
    need("MNIST", "raw", "t10k-images-idx3-ubyte")
    blended, digits = load("mnist-m-test"), load("mnist-test")
    assert (
        blended.name == "mnist-m-test"
        and len(blended) == 10_000
        and blended.shape == (3, 28, 28)
        and blended.classes == 10
    )
    assert torch.equal(blended.y, digits.y) and torch.equal(blended.x, mnist_m(digits, "test").x)
    # Black pixels of a digit become the photograph, which is brighter.
    assert blended.x.mean() > digits.x.mean() + 0.3


def test_bad_input_is_one_line():
    with pytest.raises(
        ValueError,
        match=r"digits: expected grey images \(1, H, W\), got samples of shape \(3, 8, 8\)",
    ):
        mnist_m(ArrayDataset(torch.zeros(2, 3, 8, 8)))
    with pytest.raises(
        ValueError, match=r"digits: expected images in \[-1, 1\], got values from 3 to 3"
    ):
        mnist_m(ArrayDataset(torch.full((2, 1, 8, 8), 3.0)))
    with pytest.raises(
        ValueError, match=r"digits: expected images no larger than .* got \(200, 200\)"
    ):
        mnist_m(blank(9, 0.0, 200))
    with pytest.raises(ValueError, match="part: expected one of train, test"):
        mnist_m(blank(2, 0.0), "valid")


def test_without_scikit_image_the_error_says_what_to_install(monkeypatch):
    photographs.cache_clear()
    monkeypatch.setitem(sys.modules, "skimage", None)
    with pytest.raises(ImportError, match=r"data: expected scikit-image for .*; run pip install"):
        mnist_m(blank(2, 0.0))
