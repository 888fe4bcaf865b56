"""Temporary files of tests and doctests go where pytest clears up after itself."""

import getpass
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # Doctests write pictures to folders of their own, and stable-baselines3 makes one for each log
    # it does not write.
    folder = str(tmp_path_factory.mktemp("temporary"))
    # Where torch has them without this: compiled kernels are worth keeping from run to run.
    kernels = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "TORCHINDUCTOR_CACHE_DIR", os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(kernels))
        )
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield
