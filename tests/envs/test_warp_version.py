"""MuJoCo Warp must be of MuJoCo's version; one line says how to install it."""

import logging
import sys
from pathlib import Path

import pytest
from advlearn_envs.warp import import_warp, tell_of_compilation

mujoco = pytest.importorskip("mujoco", reason="MuJoCo is not installed")


def pretend_installed(folder: Path, version: str) -> None:
    """Write the metadata of an installed mujoco-warp into a folder of the import path."""
    info = folder / f"mujoco_warp-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: mujoco-warp\nVersion: {version}\n"
    )


def test_another_version_than_mujocos_is_refused_before_the_import(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_installed(tmp_path, "4.0.0")
    (tmp_path / "mujoco_warp.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "mujoco_warp", raising=False)
    with pytest.raises(ImportError) as error:
        import_warp()
    wanted = mujoco.__version__
    assert str(error.value) == (
        f"device: expected mujoco-warp {wanted}, the version of mujoco, got 4.0.0: "
        f"pip install mujoco-warp=={wanted}"
    )


def test_an_import_that_fails_names_its_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_installed(tmp_path, mujoco.__version__)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "mujoco_warp", None)
    with pytest.raises(
        ImportError, match=r"^device: expected cpu, since MuJoCo Warp cannot be imported \(.*==3"
    ):
        import_warp()


def test_the_compilation_is_announced_once(caplog: pytest.LogCaptureFixture) -> None:
    tell_of_compilation.cache_clear()
    with caplog.at_level(logging.WARNING, logger="advlearn_envs"):
        for _ in range(2):
            tell_of_compilation("/cache")
    tell_of_compilation.cache_clear()
    (text,) = caplog.messages
    assert "40 s" in text and "/cache" in text
