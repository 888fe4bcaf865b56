"""Test pairs for translation: inputs derived from images, refused data, and videos of digits."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

from advlearn.data import (
    ArrayDataset,
    Pairs,
    Unpaired,
    batches,
    edges,
    grey,
    load,
    moving_digits,
    noisy,
    open_pairs,
    open_unpaired,
    pairs,
    with_hole,
)
from advlearn.data import small as smaller
from advlearn.data.moving_digits import FASTEST


def test_an_edge_is_one_pixel_wide_in_every_direction() -> None:
    x = -torch.ones(1, 1, 12, 12)
    x[..., 6:] = 1
    line = edges(x)
    assert (line.sum(3) == -10).all() and set(line.unique().tolist()) == {-1.0, 1.0}
    torch.testing.assert_close(edges(x.mT), line.mT)
    i, j = torch.meshgrid(torch.arange(12), torch.arange(12), indexing="ij")
    rising = edges(torch.where(i + j < 12, -1.0, 1.0)[None, None])[0, 0] == 1
    inside = rising[1:-1, 1:-1]
    assert (
        inside.diagonal().sum() <= 1
        and (inside == inside.mT).all()
        and inside.flip(1).diagonal().sum() >= 8
    )


def test_a_constant_image_has_no_edges() -> None:
    assert (edges(torch.full((2, 3, 8, 8), 0.4)) == -1).all()


def test_edges_below_the_threshold_are_left_out() -> None:
    x = -torch.ones(1, 1, 8, 16)
    x[..., 4:8], x[..., 8:12] = 1, 0.8
    counted = [int((edges(x, threshold)[0, 0, 4] == 1).sum()) for threshold in (0.05, 0.3)]
    assert counted == [3, 2]


def test_grey_is_the_weighted_sum_of_the_colours() -> None:
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(grey(x)[:, 0], 0.299 * x[:, 0] + 0.587 * x[:, 1] + 0.114 * x[:, 2])
    assert torch.equal(grey(x[:, :1]), x[:, :1])


def test_a_small_image_holds_block_means() -> None:
    x = torch.arange(64.0).view(1, 1, 8, 8)
    assert smaller(x)[0, 0, 0, 1] == x[0, 0, :4, 4:].mean()
    with pytest.raises(
        ValueError, match=r"^images: expected .* that 4 divides, got \(1, 1, 6, 8\)$"
    ):
        smaller(x[:, :, :6])


@pytest.mark.parametrize(
    ("kind", "into"),
    [("edges", (1, 8, 8)), ("small", (1, 2, 2)), ("noisy", (1, 8, 8)), ("hole", (2, 8, 8))],
)
def test_pairs_are_opened_by_kind_and_name(kind: str, into: tuple[int, ...]) -> None:
    pairs = open_pairs(f"{kind}:digits")
    assert (
        pairs.shape == into and pairs.target_shape == (1, 8, 8) and pairs.name == f"{kind}:digits"
    )
    assert torch.equal(pairs.y, load("digits").x) and pairs.bounded


def test_noise_has_the_given_deviation_and_the_same_values_for_a_seed() -> None:
    x = torch.zeros(20, 1, 32, 32)
    noise = noisy(x, 0.1, seed=3)
    assert noise.std().item() == pytest.approx(0.1, rel=0.02)
    assert torch.equal(noise, noisy(x, 0.1, seed=3)) and not torch.equal(noise, noisy(x, 0.1))
    assert noisy(x, 5.0).abs().max() == 1


def test_a_hole_is_a_rectangle_of_half_the_sides_at_a_random_place() -> None:
    x = torch.rand(200, 3, 6, 9) + 0.1
    pixels, known = with_hole(x).split([3, 1], 1)
    hole = known == -1
    assert torch.equal(known[~hole].unique(), torch.ones(1))
    assert torch.equal(pixels, x.masked_fill(hole, 0.0))
    rows, columns = hole.any(3)[:, 0], hole.any(2)[:, 0]
    assert {*rows.sum(1).tolist()} == {3} and {*columns.sum(1).tolist()} == {4}
    assert torch.equal(hole[:, 0], rows[:, :, None] & columns[:, None, :])
    # Every place occurs: 4 rows, 6 columns.
    assert {*rows.float().argmax(1).tolist()} == {0, 1, 2, 3}
    assert {*columns.float().argmax(1).tolist()} == {0, 1, 2, 3, 4, 5}
    with pytest.raises(ValueError, match=r"^images: expected .* of at least 2 x 2 pixels, got"):
        with_hole(torch.zeros(2, 1, 1, 4))


def test_inputs_stay_with_their_targets_in_every_batch() -> None:
    x = torch.arange(10.0)[:, None]
    for part in (next(batches(open_pairs((x, 2 * x)), 4)) for _ in range(3)):
        assert torch.equal(part[1], 2 * part[0])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("digits", "expected 'KIND:NAME' such as 'edges:fashion-mnist', got 'digits'$"),
        ("egdes:digits", "expected pairs of kind edges, .*, got 'egdes'; did you mean 'edges'"),
        ("grey:digits", "expected colour images .* for 'grey'"),
        ("edges:moons", r"expected images \(N, C, H, W\) for 'edges', got samples of shape \(2,\)"),
        (torch.zeros(3, 2), "expected 'KIND:NAME' such as .*, or \\(x, y\\)"),
        ((torch.zeros(3, 2), torch.zeros(2, 2)), "expected one target for each of 3 inputs, got 2"),
    ],
)
def test_other_data_is_refused_in_one_line(data: object, words: str) -> None:
    with pytest.raises(ValueError, match=f"^data: {words}") as error:
        open_pairs(data)
    assert "\n" not in str(error.value)


def test_in_the_smallest_field_no_digit_leaves_it() -> None:
    least = 2 * FASTEST - 1
    videos = moving_digits(torch.ones(300, 1, 12, 12), frames=9, side=6 + least)
    for frame in videos.flatten(0, 1)[:500]:
        top, left = _corner(frame)
        assert (frame[top : top + 6, left : left + 6] > 0).all() and (frame > 0).sum() == 36
    with pytest.raises(ValueError, match=r"^side: expected room"):
        moving_digits(torch.ones(3, 1, 12, 12), side=5 + least)


def test_the_next_frame_is_a_shift_of_the_last_away_from_walls() -> None:
    digits = torch.rand(200, 1, 12, 12).add(0.1)
    videos = moving_digits(digits, frames=6, side=32)
    places = [[_corner(frame) for frame in video] for video in videos]
    straight = 0
    for video, path in zip(videos, places, strict=True):
        steps = [(b[0] - a[0], b[1] - a[1]) for a, b in pairwise(path)]
        assert all(1 <= abs(s) <= FASTEST for step in steps for s in step)
        for k in range(1, len(steps)):
            ahead = path[k][0] + steps[k - 1][0], path[k][1] + steps[k - 1][1]
            for axis in (0, 1):
                if 0 <= ahead[axis] <= 32 - 6:
                    assert steps[k][axis] == steps[k - 1][axis]
                else:
                    assert steps[k][axis] * steps[k - 1][axis] < 0
            if all(0 <= p <= 26 for p in ahead):
                straight += 1
                assert torch.equal(video[k + 1], video[k].roll(steps[k - 1], (0, 1)))
    assert straight > 200


def _corner(frame: torch.Tensor) -> tuple[int, int]:
    bright = (frame > -1).nonzero()
    top, left = (int(v) for v in bright.min(0).values)
    return top, left


def test_videos_depend_on_the_seed_and_contain_the_halved_image() -> None:
    digits = torch.rand(3, 1, 8, 8)
    videos = moving_digits(digits, 2, 16, seed=4)
    assert torch.equal(videos, moving_digits(digits, 2, 16, seed=4))
    assert not torch.equal(videos, moving_digits(digits, 2, 16, seed=5))
    top, left = _corner(videos[1, 0])
    expected = torch.nn.functional.avg_pool2d(digits[1, 0][None], 2)[0]
    assert torch.equal(videos[1, 0, top : top + 4, left : left + 4], expected)
    with pytest.raises(ValueError, match=r"^side: expected room"):
        moving_digits(digits, 2, 6)


def test_unpaired_sets_have_different_orders_and_no_labels() -> None:
    a = ArrayDataset(torch.arange(12.0)[:, None], torch.arange(12) % 2, "a", 2)
    data = open_unpaired((a, ArrayDataset(a.x + 100, None, "b")))
    assert data.name == "a <-> b" and len(data) == 12
    stream = batches(data, 6)
    drawn = [next(stream) for _ in range(4)]
    assert all(len(batch) == 2 and (batch[1] >= 100).all() for batch in drawn)
    assert not all(torch.equal(one, other - 100) for one, other in drawn)


def test_images_of_different_sizes_are_resized() -> None:
    assert open_unpaired((torch.zeros(4, 1, 8, 8), torch.zeros(5, 3, 16, 16))).shape == (3, 16, 16)
    assert open_unpaired("digits <-> digits").shape == (1, 8, 8)


@pytest.mark.parametrize("data", ["digits", "digits <->", "a <-> b <-> c", (torch.zeros(2, 2),), 3])
def test_other_data_than_two_sets_is_refused_in_one_line(data: object) -> None:
    with pytest.raises(ValueError, match=r"^data: expected 'A <-> B'"):
        open_unpaired(data)


def test_sets_of_different_shapes_are_refused() -> None:
    with pytest.raises(
        ValueError,
        match=r"^data: expected samples of one shape, got \(2,\) in 'data' and \(3,\) in 'data'$",
    ):
        Unpaired(ArrayDataset(torch.zeros(2, 2)), ArrayDataset(torch.zeros(2, 3)))
    with pytest.raises(TypeError, match="float32"):
        Pairs(torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.int64))


def _save(path, level, size=(16, 16)):
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.new("L", size, level).save(path)


def test_two_folders_are_paired_by_the_names_of_their_files(tmp_path):
    for part, names in (("train", "abc"), ("test", "d")):
        for k, name in enumerate(names):
            _save(tmp_path / f"{part}A" / f"{name}.png", 10 * k)
            _save(tmp_path / f"{part}B" / f"{name}.bmp", 255 - 10 * k)
    data = open_pairs(tmp_path)
    assert len(data) == 3 and data.name == tmp_path.name and len(data.test()) == 1
    torch.testing.assert_close(data.x, -data.y)
    assert len(open_unpaired(str(tmp_path))) == 3
    (tmp_path / "trainB" / "b.bmp").unlink()
    with pytest.raises(ValueError, match=r"expected an image named 'b' in '.*trainB'.*got none"):
        open_pairs(tmp_path)


def test_a_folder_without_two_sides_is_refused(tmp_path):
    _save(tmp_path / "left" / "a.png", 0)
    with pytest.raises(ValueError, match=r"sub-folders A and B, .*got left.*left-to-right"):
        open_pairs(tmp_path)


def test_images_that_hold_both_sides(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 8:] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    data = open_pairs(f"left-to-right:{tmp_path}")
    assert bool((data.x == -1).all()) and bool((data.y == 1).all())
    assert torch.equal(pairs("right-to-left", tmp_path).x, data.y)


def test_a_data_set_of_pairs():
    class Both(Dataset):
        def __len__(self):
            return 4

        def __getitem__(self, index):
            picture = Image.new("RGB", (8, 8), (0, 10 * index, 255))
            return picture, picture.convert("L")

    data = open_pairs(Both())
    assert data.shape == (3, 8, 8) and data.target_shape == (1, 8, 8)
    torch.testing.assert_close(data.x[2, 1], torch.full((8, 8), 20 / 127.5 - 1))
