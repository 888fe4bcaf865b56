"""Near-duplicates among images and files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import Tensor

from advlearn.metrics import binary_codes, near_duplicates


@pytest.fixture(scope="module")
def digits() -> Tensor:
    """Return 60 different images, of which none is close to another."""
    return torch.tensor(load_digits().images[:60] / 8 - 1).float()[:, None]


def test_an_exact_and_a_slightly_changed_copy_are_found_and_no_other(digits: Tensor) -> None:
    noise = 0.02 * torch.randn(8, 8, generator=torch.Generator().manual_seed(0))
    images = torch.cat([digits, digits[17:18], digits[31:32] + noise, digits[17:18] * 1.01])
    assert near_duplicates(images) == [[17, 60, 62], [31, 61]]
    assert near_duplicates(digits) == []


def test_the_correlation_refuses_images_whose_codes_are_alike(digits: Tensor) -> None:
    assert near_duplicates(digits, largest_distance=128) == []
    assert near_duplicates(digits, largest_distance=128, least_correlation=0) == [list(range(60))]
    black = torch.zeros(2, 1, 8, 8)
    assert near_duplicates(torch.cat([digits, black])) == [[60, 61]]


def test_equal_images_have_equal_codes_and_each_bit_halves_the_images(digits: Tensor) -> None:
    codes = binary_codes(torch.cat([digits, digits[:1]]), bits=32)
    assert codes.dtype == torch.bool and codes.shape == (61, 32)
    torch.testing.assert_close(codes[0], codes[60])
    assert (binary_codes(digits, bits=32).sum(0) == 30).all()
    assert (binary_codes(digits, bits=32) == binary_codes(digits, bits=32)).all()


def test_the_global_random_state_does_not_matter_and_stays(digits: Tensor) -> None:
    torch.manual_seed(0)
    first, drawn = binary_codes(digits, bits=16, steps=5), torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(torch.rand(1), drawn)
    torch.manual_seed(9)
    assert torch.equal(binary_codes(digits, bits=16, steps=5), first)


def test_files_are_named(digits: Tensor, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    levels: Any = ((digits[:, 0] + 1) * 127.5).byte().numpy()
    for i in range(20):
        large = np.kron(levels[i], np.ones((6, 6), np.uint8))
        (tmp_path / "ab"[i % 2]).mkdir(exist_ok=True)
        Image.fromarray(large).save(tmp_path / "ab"[i % 2] / f"{i:02}.png")
        if i == 4:
            changed = np.clip(large.astype(int) + generator.integers(-6, 7, large.shape), 0, 255)
            Image.fromarray(changed.astype(np.uint8)).save(tmp_path / "b" / "copy.jpg", quality=80)
    found = near_duplicates(tmp_path)
    assert found == [[tmp_path / "a" / "04.png", tmp_path / "b" / "copy.jpg"]]


def test_wrong_arguments_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^images: expected finite values \(N, \.\.\.\)"):
        near_duplicates(torch.full((2, 3), torch.nan))
    with pytest.raises(FileNotFoundError, match=r"^data: expected a folder of images"):
        near_duplicates(tmp_path / "nothing")
