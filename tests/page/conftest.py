"""Train two small runs once: points in the plane, and images."""

from pathlib import Path

import pytest

import advlearn


@pytest.fixture(scope="session")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ring") / "run"
    advlearn.fit(
        "wgan-gp",
        data="ring",
        steps=110,
        batch_size=16,
        picture_every=50,
        evaluate=60,
        out=out,
        callbacks=(),
        page=True,
    )
    return out


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("digits") / "run"
    advlearn.fit(
        "gan", data="digits", steps=6, batch_size=8, picture_every=2, out=out, callbacks=()
    )
    return out
