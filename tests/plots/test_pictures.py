"""Test tables of images: the position of each image and each heading."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from advlearn.plots import (
    before_after,
    image_table,
    interpolation,
    mixing,
    nearest_training_images,
    pixels,
    spherical,
    traversal,
    truncation,
    varied,
)
from advlearn.plots.image_table import GAP, TILE

SIDE = 4
CELL = TILE + GAP


def flat(values: torch.Tensor) -> torch.Tensor:
    """Return constant images (N, 1, 4, 4) from N numbers."""
    return values.view(-1, 1, 1, 1).expand(-1, 1, SIDE, SIDE)


def opened(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def greys(path, rows: int, columns: int) -> np.ndarray:
    """Return the grey in the middle of each cell, as a number in [-1, 1]."""
    drawn = opened(path).astype(float)[..., 0]
    top = len(drawn) - (rows * CELL + GAP)
    middles = drawn[top + GAP + TILE // 2 :: CELL, GAP + TILE // 2 :: CELL][:rows, :columns]
    return middles / 127.5 - 1


def test_a_table_is_its_images_pixel_for_pixel(tmp_path):
    images = torch.rand(2, 3, 3, 8, 8) * 2 - 1
    drawn = pixels(images)
    assert drawn.shape == (2 * CELL + GAP, 3 * CELL + GAP, 3)
    for r in range(2):
        for c in range(3):
            cell = drawn[GAP + r * CELL : (r + 1) * CELL, GAP + c * CELL : (c + 1) * CELL]
            expected = (images[r, c] * 127.5 + 127.5).round().permute(1, 2, 0).numpy()
            assert (cell[::8, ::8] == expected).all() and (
                cell == np.repeat(cell[::8, ::8], 8, 0).repeat(8, 1)
            ).all()
    assert (drawn[:GAP] == 255).all() and (drawn[:, TILE + GAP : TILE + 2 * GAP] == 255).all()
    assert (opened(image_table(images, tmp_path / "new" / "t.png")) == drawn).all()


def test_headings_do_not_cover_images():
    images = torch.full((2, 3, 1, 8, 8), -1.0)
    bare, worded = (
        pixels(images),
        pixels(images, ["a", "a much longer heading", "c"], ["first", "g"]),
    )
    assert (worded == 0).all(2).sum() >= (bare == 0).all(2).sum() == 6 * TILE**2
    top, left = worded.shape[0] - bare.shape[0], worded.shape[1] - bare.shape[1]
    assert top > 0 and left > 0
    assert worded[:top].min() < 60, "headings are drawn"
    assert worded[top + GAP : top + GAP + TILE, : left // 4].min() < 60, "words of rows are drawn"


def test_nan_and_values_out_of_range_are_drawn_in_grey():
    drawn = pixels(torch.tensor([math.nan, 5.0, -5.0]).view(1, 3, 1, 1, 1))
    assert [int(drawn[20, GAP + 30 + c * CELL, 0]) for c in range(3)] == [127, 255, 0]


def test_the_arc_keeps_lengths_and_angles():
    z0, z1 = torch.nn.functional.normalize(torch.randn(2, 5, 7, dtype=torch.float64), dim=2) * 3
    arc = spherical(z0, z1, 6)
    torch.testing.assert_close(arc[:, 0], z0)
    torch.testing.assert_close(arc[:, -1], z1)
    torch.testing.assert_close(arc.norm(dim=2), torch.full((5, 6), 3.0, dtype=torch.float64))
    steps = torch.nn.functional.cosine_similarity(arc[:, 1:], arc[:, :-1], dim=2)
    torch.testing.assert_close(steps, steps[:, :1].expand(-1, 5))


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_collinear_latents_are_joined_by_a_line(factor):
    z = torch.randn(2, 5)
    torch.testing.assert_close(spherical(z, factor * z, 3)[:, 1], (1 + factor) / 2 * z)


def test_an_interpolation_has_one_row_per_pair(tmp_path):
    z0, z1 = torch.tensor([[0.5], [-1.0]]), torch.tensor([[1.0], [-0.5]])
    path = interpolation(lambda z: flat(z[:, 0]), z0, z1, 3, tmp_path / "i.png")
    assert np.allclose(greys(path, 2, 3), [[0.5, 0.75, 1.0], [-1.0, -0.75, -0.5]], atol=0.01)


def test_a_sweep_has_a_row_per_latent_and_a_column_per_truncation(tmp_path):
    path = truncation(
        lambda z, psi: flat(psi * z[:, 0]),
        torch.tensor([[0.8], [-0.4]]),
        (0.0, 0.5, 1.0),
        tmp_path / "t",
    )
    assert np.allclose(greys(path, 2, 3), [[0, 0.4, 0.8], [0, -0.2, -0.4]], atol=0.01)


def test_a_mixing_table_has_its_sources_on_the_margins(tmp_path):
    coarse, fine = torch.tensor([[0.2], [0.4]]), torch.tensor([[0.1], [-0.1], [-0.3]])
    path = mixing(lambda a, b: flat(a[:, 0] + b[:, 0] / 2), coarse, fine, tmp_path / "m.png")
    body = coarse + fine.T / 2
    expected = torch.cat(
        [torch.cat([torch.ones(1, 1), 1.5 * fine.T], 1), torch.cat([1.5 * coarse, body], 1)]
    )
    assert np.allclose(greys(path, 3, 4), expected, atol=0.01)


def test_the_internal_noise_of_a_generator_is_the_same_along_a_row(tmp_path):
    def noisy(*_):
        return flat(torch.rand(2) - 0.5)

    before, ends = torch.get_rng_state(), torch.ones(2, 1)
    paths = [
        interpolation(noisy, ends, -ends, 3, tmp_path / "i.png"),
        truncation(noisy, ends, (0, 1, 2), tmp_path / "t.png"),
    ]
    for path in paths:
        cells = greys(path, 2, 3)
        assert (cells == cells[:, :1]).all() and cells[0, 0] != cells[1, 0]
    assert (
        greys(mixing(noisy, ends, ends, tmp_path / "m.png"), 3, 3)[1:, 1:] == cells[:, 1:]
    ).all()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_traversal_varies_one_code_and_keeps_the_rest(tmp_path):
    latents = torch.tensor([[0.1, 9.0], [0.5, 9.0]])
    z = varied(latents, [1], torch.tensor([[-0.2], [0.2]]))
    assert torch.equal(z[:, :, 0], latents[:, :1].expand(2, 2)) and torch.equal(
        z[0, :, 1], torch.tensor([-0.2, 0.2])
    )
    path = traversal(
        lambda z: flat(z.sum(1)), latents, [1], torch.tensor([[-0.2], [0.2]]), tmp_path / "c.png"
    )
    assert np.allclose(greys(path, 2, 2), [[-0.1, 0.3], [0.3, 0.7]], atol=0.01)


def test_each_row_holds_a_sample_and_its_nearest_images(tmp_path):
    real = torch.tensor([-1.0, -0.5, 0.0, 0.5, 1.0])
    path = nearest_training_images(
        flat(torch.tensor([0.9, -0.8])), flat(real), tmp_path / "n.png", count=3
    )
    expected = [[0.9, 1.0, 0.5, 0.0], [-0.8, -1.0, -0.5, 0.0]]
    np.testing.assert_allclose(greys(path, 2, 4), expected, atol=0.01)
    # Features that ignore the sign find images that pixels do not.
    grey, two = flat(torch.tensor([0.5])), flat(torch.tensor([-0.5, 1.0]))
    for represent, nearest in ((None, 1.0), (torch.abs, -0.5)):
        path = nearest_training_images(grey, two, tmp_path / "n.png", 1, represent)
        assert greys(path, 1, 2)[0, 1] == pytest.approx(nearest, abs=0.01)
    with pytest.raises(ValueError, match="samples: expected images"):
        nearest_training_images(torch.rand(2, 1, 8, 8), flat(real), tmp_path / "n.png")


def test_grey_and_small_stages_are_enlarged_and_repeated(tmp_path):
    stages = {
        "input": flat(torch.tensor([0.5, -0.5]))[:, :, :1, :1],
        "truth": torch.zeros(2, 3, SIDE, SIDE),
    }
    path = before_after(stages, tmp_path / "b.png")
    assert np.allclose(greys(path, 2, 2), [[0.5, 0], [-0.5, 0]], atol=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda p: image_table(torch.zeros(2, 1, 4, 4), p), "images: expected"),
        (
            lambda p: image_table(torch.zeros(2, 3, 1, 4, 4), p, columns=["a"]),
            "columns: expected none or 3",
        ),
        (
            lambda p: image_table(torch.zeros(2, 3, 1, 4, 4), p, rows=["a"]),
            "rows: expected none or 2",
        ),
        (lambda p: spherical(torch.zeros(2, 3), torch.zeros(2, 4), 3), "z1: expected"),
        (
            lambda p: spherical(torch.zeros(2, 3), torch.zeros(2, 3), 1),
            "steps: expected at least 2",
        ),
        (lambda p: varied(torch.zeros(2, 3), [3], torch.zeros(2, 1)), "places: expected"),
        (lambda p: varied(torch.zeros(2, 3), [0], torch.zeros(2, 2)), "values: expected"),
        (lambda p: before_after({}, p), "columns: expected at least one"),
        (
            lambda p: before_after({"a": torch.zeros(2, 1, 3, 3), "b": torch.zeros(2, 1, 4, 4)}, p),
            "expected 'a' to be",
        ),
    ],
)
def test_bad_input_is_one_line(tmp_path, call, message):
    with pytest.raises(ValueError, match=message) as error:
        call(tmp_path / "x.png")
    assert "\n" not in str(error.value) and not (tmp_path / "x.png").exists()
