import gzip
import struct
import zlib

import numpy as np
import pytest
import torch
from PIL import Image

from advlearn.data import catalogue, folders, load, names


def need(*parts: str) -> None:
    if not any(folder.joinpath(*parts).exists() for folder in folders()):
        pytest.skip(f"{'/'.join(parts)} is in none of the data folders (set ADVLEARN_DATA)")


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


def pixels(source, index: int = 0) -> np.ndarray:
    return ((source.x[index] + 1) * 127.5).round().to(torch.uint8).numpy()


def test_digits_agree_with_scikit_learn():
    from sklearn.datasets import load_digits

    source, reference = load("digits"), load_digits()
    assert source.shape == (1, 8, 8) and source.classes == 10 and len(source) == 1797
    np.testing.assert_allclose((source.x.numpy().reshape(1797, 64) + 1) * 8, reference.data)
    assert source.y.tolist() == reference.target.tolist()


@pytest.mark.parametrize(
    ("name", "folder", "samples", "checksum", "labels"),
    [
        ("mnist-test", "MNIST", 10_000, 2125712646, [7, 2, 1, 0, 4]),
        ("fashion-mnist-test", "FashionMNIST", 10_000, 1384319072, [9, 2, 1, 1, 6]),
    ],
)
def test_idx_files_are_read_like_torchvision_reads_them(name, folder, samples, checksum, labels):
    # CRC-32 of bytes 16 to 799 of the file, by gzip; torchvision's reader agrees.
    need(folder, "raw", "t10k-images-idx3-ubyte")
    source = load(name)
    assert (
        len(source) == samples and source.shape == (1, 28, 28) and source.y[:5].tolist() == labels
    )
    assert zlib.crc32(pixels(source).tobytes()) == checksum


def test_first_training_image_of_mnist():
    need("MNIST", "raw", "train-images-idx3-ubyte")
    source = load("mnist")
    assert len(source) == 60_000 and source.y[:5].tolist() == [5, 0, 4, 1, 9]
    assert int(pixels(source).sum(dtype=np.int64)) == 27_525  # sum of the first image
    assert source.y.bincount().tolist() == [
        5923,
        6742,
        5958,
        6131,
        5842,
        5421,
        5918,
        6265,
        5851,
        5949,
    ]


def test_cifar10_test_part():
    need("cifar10", "cifar10-jpeg.npz")
    source = load("cifar10-test")
    assert (
        len(source) == 10_000
        and source.shape == (3, 32, 32)
        and source.y.bincount().tolist() == [1000] * 10
    )
    # The first images contain every class.
    assert int(source.y[:500].bincount(minlength=10).min()) > 25


def test_usps_parts():
    need("usps", "usps.npz")
    train, test = load("usps"), load("usps-test")
    assert (len(train), len(test)) == (7291, 2007) and train.shape == test.shape == (1, 16, 16)
    assert train.y.bincount()[0] == 1194 and test.y.bincount()[0] == 359


@pytest.mark.parametrize("zipped", [False, True])
def test_reads_idx_files_as_the_sets_are_published(tmp_path, monkeypatch, zipped):
    images = np.arange(2 * 28 * 28, dtype=np.uint32).astype(np.uint8).reshape(2, 28, 28)
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for stem, array in [("images-idx3", images), ("labels-idx1", np.array([3, 9], np.uint8))]:
        content = idx(array)
        path = raw / f"train-{stem}-ubyte{'.gz' if zipped else ''}"
        path.write_bytes(gzip.compress(content) if zipped else content)
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path))
    source = load("fashion-mnist")
    assert (
        (pixels(source, 1)[0] == images[1]).all()
        and source.y.tolist() == [3, 9]
        and source.classes == 10
    )
    path.write_bytes(content[:-1])
    if not zipped:
        with pytest.raises(
            ValueError, match=r"data: expected an idx file of bytes.*train-labels-idx1-ubyte"
        ):
            load("fashion-mnist")


def test_reads_jpeg_archives(tmp_path, monkeypatch):
    (tmp_path / "cifar10").mkdir()
    shades, chunks = [10, 200, 90], []
    for shade in shades:
        Image.new("RGB", (32, 32), (shade,) * 3).save(tmp_path / "one.jpg", quality=95)
        chunks.append((tmp_path / "one.jpg").read_bytes())
    np.savez(
        tmp_path / "cifar10" / "cifar10-jpeg.npz",
        jpeg=np.frombuffer(b"".join(chunks), np.uint8),
        offsets=np.cumsum([0, *map(len, chunks)]),
        labels=np.array([4, 5, 6], np.uint8),
        is_test=np.array([False, True, False]),
    )
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path))
    train, test = load("cifar10"), load("cifar10-test")
    six = train.y.tolist().index(6)
    assert (
        sorted(train.y.tolist()) == [4, 6] and test.y.tolist() == [5] and test.shape == (3, 32, 32)
    )
    assert (
        abs(int(pixels(train, six)[0, 0, 0]) - 90) <= 2
        and abs(int(pixels(test)[0, 0, 0]) - 200) <= 2
    )


@pytest.mark.parametrize("name", ["mnist", "cifar10-test", "usps"])
def test_missing_data_is_reported_in_one_line(tmp_path, monkeypatch, name):
    # The cache folder cannot be created, so that nothing is downloaded.
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ADVLEARN_DATA", str(tmp_path / "nothing"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    message = rf"data: '{name}' is not in .*, and downloading it failed"
    with pytest.raises(FileNotFoundError, match=message) as caught:
        load(name)
    assert "\n" not in str(caught.value)
    assert "; set ADVLEARN_DATA to a folder that has it" in str(caught.value)


@pytest.mark.parametrize("name", names())
def test_the_facts_about_a_data_set_are_true(name):
    info = catalogue()[name]
    assert info.name == name and info.summary and info.origin and "\n" not in info.summary
    if info.folder is not None:
        need(info.folder)
    data = load(name)
    assert (data.name, data.shape, data.classes) == (name, info.shape, info.classes)
