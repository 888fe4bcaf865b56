"""Test that damage of a file is found when it is read: no bit of it may be another."""

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import advlearn
from advlearn.core.files import RefusedFileError
from advlearn.core.seals import seal, verify
from advlearn.data.npz import read_npz, write_npz
from advlearn.training import checkpoint
from tests.reliability.files import flipped, one_line

PAYLOAD = {"trainer": {"weights": torch.arange(64.0), "step": 3}}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run") / "out"
    data = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
    advlearn.fit("nsgan", data=data, steps=2, callbacks=(), device="cpu", out=folder)
    return folder


def refused(path: Path, content: bytes, read: Any) -> str:
    """Write a file and return the line that refuses it."""
    path.write_bytes(content)
    with pytest.raises(RefusedFileError) as caught:
        read(path)
    return one_line(caught.value)


def test_no_flip_of_any_bit_passes() -> None:
    file = io.BytesIO()
    torch.save(PAYLOAD, file)
    seal(file)
    whole = file.getvalue()
    assert verify(io.BytesIO(whole))
    for place in range(len(whole)):
        for bit in range(8):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            with pytest.raises(RefusedFileError):
                verify(io.BytesIO(bytes(damaged)))


def test_a_flipped_checkpoint_neither_loads_nor_resumes(run_folder: Path, tmp_path: Path) -> None:
    whole = (run_folder / "checkpoint.pt").read_bytes()
    count = 0
    for content in flipped(whole, 100):
        line = refused(tmp_path / "checkpoint.pt", content, advlearn.load)
        assert line.startswith("checkpoint: expected ") and str(tmp_path) in line
        count += 1
    assert count > 100
    with pytest.raises(RefusedFileError, match="checksum differs"):
        data = torch.randn(64, 2, generator=torch.Generator().manual_seed(0))
        (tmp_path / "checkpoint.pt").write_bytes(content_with_one_bit(whole))
        advlearn.fit("nsgan", data=data, steps=3, callbacks=(), device="cpu", out=tmp_path)


def content_with_one_bit(whole: bytes) -> bytes:
    """Return the content after a change in the middle, in the values of a tensor."""
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 64
    return bytes(damaged)


def test_a_flipped_saved_run_is_refused(run_folder: Path, tmp_path: Path) -> None:
    saved = advlearn.load(run_folder).save(tmp_path / "whole.pt").read_bytes()
    for content in flipped(saved, 100, seed=1):
        refused(tmp_path / "run.pt", content, advlearn.load)


def test_flipped_arrays_are_refused(tmp_path: Path) -> None:
    write_npz(tmp_path / "a.npz", {"x": np.arange(500.0), "name": np.array("text")})
    for content in flipped((tmp_path / "a.npz").read_bytes(), 100, seed=2):
        refused(tmp_path / "b.npz", content, read_npz)


@pytest.mark.parametrize("change", [lambda b: b + b"junk", lambda b: b[:-1], lambda b: b""])
def test_a_longer_or_shorter_file_is_refused(change: Any, run_folder: Path, tmp_path: Path) -> None:
    whole = (run_folder / "checkpoint.pt").read_bytes()
    assert "cut off" in refused(tmp_path / "run.pt", change(whole), checkpoint.load)


def test_other_programs_read_a_file_with_a_checksum(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "run.pt", PAYLOAD)
    content = torch.load(path, weights_only=True)
    assert torch.equal(content["trainer"]["weights"], torch.arange(64.0))
    write_npz(tmp_path / "a.npz", {"x": np.arange(5)})
    with np.load(tmp_path / "a.npz") as file:
        assert file["x"].tolist() == [0, 1, 2, 3, 4]
    for name in ("run.pt", "a.npz"):
        with zipfile.ZipFile(tmp_path / name) as archive:
            assert archive.testzip() is None
            assert archive.comment.startswith(b"advlearn sha256 ")


def test_a_file_of_an_earlier_version_loads_and_its_weaker_checksums_count(
    run_folder: Path, tmp_path: Path
) -> None:
    content = checkpoint.load(run_folder)
    path = tmp_path / "old.pt"
    torch.save(content, path)
    new, old = advlearn.load(run_folder), advlearn.load(path)
    assert torch.equal(old.sample(4, seed=1), new.sample(4, seed=1))
    line = refused(path, content_with_one_bit(path.read_bytes()), advlearn.load)
    assert "differs from its checksums" in line


def test_arrays_of_an_earlier_version_load(tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "old.npz", x=np.arange(3))
    assert read_npz(tmp_path / "old.npz")["x"].tolist() == [0, 1, 2]
