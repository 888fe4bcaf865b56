from pathlib import Path

import pytest
import torch
from PIL import Image

import advlearn.data.streamed_dataset as lazy
from advlearn.data import StreamedBatches, load


def picture(path: Path, colour: int | tuple[int, int, int], size: tuple[int, int] = (8, 8)) -> None:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.new("L" if isinstance(colour, int) else "RGB", size, colour).save(path)


def test_flat_folder_in_order_of_names(tmp_path):
    picture(tmp_path / "b.png", 255)
    picture(tmp_path / "a.png", 0)
    (tmp_path / "notes.txt").write_text("not an image")
    source = load(tmp_path)
    assert source.shape == (1, 8, 8) and source.y is None and source.name == tmp_path.name
    assert source.x[:, 0, 0, 0].tolist() == [-1.0, 1.0]


def test_each_sub_folder_is_a_class(tmp_path):
    picture(tmp_path / "dog" / "1.png", (0, 0, 255))
    picture(tmp_path / "cat" / "1.png", 255)
    picture(tmp_path / "cat" / "2.png", 0)
    source = load(str(tmp_path))
    assert source.shape == (3, 8, 8) and source.classes == 2 and source.y.tolist() == [0, 0, 1]
    assert source.x[:, :, 0, 0].tolist() == [[1, 1, 1], [-1, -1, -1], [-1, -1, 1]]


def test_a_big_folder_is_streamed(tmp_path, monkeypatch):
    monkeypatch.setattr(lazy, "RESIDENT_BYTES", 1)
    for index in range(4):
        picture(tmp_path / f"class{index % 2}" / f"{index}.png", 85 * index)
    x, y = next(StreamedBatches(load(tmp_path), 4))
    assert x.shape == (4, 1, 8, 8) and sorted(
        zip(x[:, 0, 0, 0].tolist(), y.tolist(), strict=True)
    ) == [
        (pytest.approx(value / 127.5 - 1), label)
        for value, label in [(0, 0), (85, 1), (170, 0), (255, 1)]
    ]


def test_the_first_wrong_file_is_named(tmp_path):
    picture(tmp_path / "a.png", 0)
    picture(tmp_path / "b.png", 0, size=(9, 8))
    picture(tmp_path / "c.png", 0, size=(7, 8))
    with pytest.raises(
        ValueError, match=r"data: expected images of 8x8 pixels .*'a.png', got 8x9 in '.*b.png'"
    ):
        load(tmp_path)


def test_bad_folders(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"data: expected a folder of images, got '.*nowhere'"
    ):
        load(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"data: expected images \(.png.*got none in"):
        load(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(
        ValueError, match=r"data: expected images in every class folder, got none in 'empty'"
    ):
        load(tmp_path)
    picture(tmp_path / "a.png", 0)
    with pytest.raises(ValueError, match=r"data: .*'a.png' is outside; move it"):
        load(tmp_path)
    (tmp_path / "empty").rmdir()
    (tmp_path / "b.png").write_bytes(b"no picture")
    with pytest.raises(ValueError, match=r"data: cannot read '.*b.png' as an image"):
        load(tmp_path)


def test_a_streamed_folder_keeps_float32(tmp_path):
    picture(tmp_path / "a.png", 51)
    assert load(tmp_path).x.dtype == torch.float32
