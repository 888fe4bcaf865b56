"""Pictures of every mode, read from a folder and through a data set of PIL images."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset

import advlearn.data.streamed_dataset as streamed
from advlearn.data import ArrayDataset, StreamedBatches, StreamedDataset, load

LEVELS = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4
COLOUR = np.stack([LEVELS, 255 - LEVELS, LEVELS // 2], -1)


class Opened(Dataset):
    """The files of a folder as PIL images."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.iterdir())

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Image.Image:
        return Image.open(self.paths[index])


def both(folder: Path, **options):
    """Read a folder as a path and as a data set, and return the samples if they agree."""
    as_folder, as_dataset = load(folder, **options), load(Opened(folder), **options)
    assert isinstance(as_folder, ArrayDataset) and isinstance(as_dataset, ArrayDataset)
    assert torch.equal(as_folder.x, as_dataset.x)
    assert as_folder.stored.dtype == as_dataset.stored.dtype
    return as_folder.x


def grey(levels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(levels[None, None] / 127.5 - 1).float()


def colour(levels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(levels.transpose(2, 0, 1)[None] / 127.5 - 1).float()


def test_grey_colour_and_palette_pictures(tmp_path):
    palette = Image.fromarray(COLOUR).quantize(256)
    cases = {
        "L": (Image.fromarray(LEVELS), grey(LEVELS)),
        "RGB": (Image.fromarray(COLOUR), colour(COLOUR)),
        "1": (Image.fromarray(LEVELS > 99), grey((LEVELS > 99) * 255)),
        "P": (palette, colour(np.array(palette.convert("RGB")))),
        "grey P": (Image.fromarray(LEVELS).convert("P"), grey(LEVELS)),
        "LA": (Image.fromarray(LEVELS).convert("LA"), grey(LEVELS)),
        "RGBA": (Image.fromarray(COLOUR).convert("RGBA"), colour(COLOUR)),
    }
    for name, (picture, expected) in cases.items():
        folder = tmp_path / name
        folder.mkdir()
        picture.save(folder / "a.png")
        torch.testing.assert_close(both(folder), expected, msg=name)


def test_cmyk_pictures(tmp_path):
    Image.fromarray(COLOUR).convert("CMYK").save(tmp_path / "a.tif")
    torch.testing.assert_close(both(tmp_path), colour(COLOUR))


def test_sixteen_bits_are_scaled_by_65535(tmp_path):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.png")
    expected = torch.from_numpy(values / 32767.5 - 1).float()[None, None]
    torch.testing.assert_close(both(tmp_path), expected)


def test_float_pictures_of_zero_to_one_are_scaled(tmp_path):
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.tif")
    torch.testing.assert_close(both(tmp_path), torch.from_numpy(2 * values - 1)[None, None])


def test_integers_of_32_bits_need_a_range(tmp_path):
    values = np.arange(64, dtype=np.int32).reshape(8, 8) * 1000
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=r"0 to 63000; choose .*value_range=\(0, 63000\)"):
        load(tmp_path)
    expected = torch.from_numpy(values / 31500 - 1).float()[None, None]
    torch.testing.assert_close(both(tmp_path, value_range=(0, 63000)), expected)


def test_transparent_pixels_are_refused_or_lie_on_a_colour(tmp_path):
    pixels = np.dstack([COLOUR, np.full((8, 8), 255, np.uint8)])
    pixels[:4, :, :] = (255, 0, 255, 0)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    for data in (tmp_path, Opened(tmp_path)):
        with pytest.raises(ValueError, match=r"data: expected opaque pixels.*alpha='white'"):
            load(data)
    hidden = COLOUR.copy()
    for alpha, value in (("white", (255, 255, 255)), ("black", (0, 0, 0)), ("drop", (255, 0, 255))):
        hidden[:4] = value
        torch.testing.assert_close(both(tmp_path, alpha=alpha), colour(hidden))


def test_orientation_is_applied_before_sizes_are_compared(tmp_path):
    tall = np.zeros((8, 4), np.uint8)
    tall[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    # Orientation 6: the first stored row is the right side of the image as it is viewed.
    Image.fromarray(np.rot90(tall)).save(tmp_path / "a.png", exif=exif)
    Image.fromarray(tall).save(tmp_path / "b.png")
    x = both(tmp_path)
    assert torch.equal(x[0], x[1]) and x.shape == (2, 1, 8, 4)


def test_grey_pictures_among_coloured_ones_get_three_channels(tmp_path):
    Image.fromarray(LEVELS).save(tmp_path / "a.png")
    Image.fromarray(COLOUR).save(tmp_path / "b.png")
    x = both(tmp_path)
    torch.testing.assert_close(x[:1], grey(LEVELS).expand(1, 3, 8, 8))


def test_several_frames_and_mixed_kinds_are_refused(tmp_path):
    frames = [Image.fromarray(LEVELS), Image.fromarray(255 - LEVELS)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match=r"expected one image in a file, got 2 frames in .*a\.gif"):
        load(tmp_path)
    (tmp_path / "a.gif").unlink()
    frames[0].save(tmp_path / "a.png")
    Image.fromarray(LEVELS.astype(np.uint16) * 257).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"expected 8-bit values like 'a\.png', got 16-bit in .*b"):
        load(tmp_path)


@pytest.mark.parametrize("resident", [True, False])
def test_a_damaged_file_is_named_before_training(tmp_path, monkeypatch, resident):
    if not resident:
        monkeypatch.setattr(streamed, "RESIDENT_BYTES", 1)
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    for name in ("a", "b", "c"):
        Image.fromarray(noise).save(tmp_path / f"{name}.jpg")
    path = tmp_path / "b.jpg"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * 0.7)])
    with pytest.raises(ValueError, match=r"cannot read '.*b\.jpg' as an image \(.*truncated"):
        load(tmp_path)


def test_a_folder_that_is_streamed_has_the_same_pixels(tmp_path, monkeypatch):
    values = np.linspace(0, 65535, 64).astype(np.uint16).reshape(8, 8)
    Image.fromarray(values).save(tmp_path / "a.png")
    Image.fromarray(values // 2).save(tmp_path / "b.png")
    expected = load(tmp_path).x
    monkeypatch.setattr(streamed, "RESIDENT_BYTES", 1)
    source = load(tmp_path)
    assert isinstance(source, StreamedDataset) and source.shape == (1, 8, 8) and source.bounded
    (x,) = next(StreamedBatches(source, 2))
    torch.testing.assert_close(x.sort(0).values, expected.sort(0).values)


def test_pictures_of_several_sizes_are_cropped_and_resized_on_request(tmp_path):
    wide = np.zeros((8, 16), np.uint8)
    wide[:, 4:12] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(np.full((16, 16), 255, np.uint8)).save(tmp_path / "b.png")
    with pytest.raises(ValueError, match=r"expected images of 8x16 .*got 16x16.*size=8"):
        load(tmp_path)
    x = both(tmp_path, size=8)
    assert x.shape == (2, 1, 8, 8) and bool((x == 1).all())
