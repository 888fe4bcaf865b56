"""Put temporary files of tests and doctests into a folder that pytest removes."""

import getpass
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(autouse=True, scope="session")
def _temporary(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    # Doctests write pictures to temporary folders, and stable-baselines3 makes a folder for each
    # log, even if it writes none.
    folder = str(tmp_path_factory.mktemp("temporary"))
    # torch's own default folder: compiled kernels are kept from run to run.
    kernels = Path(tempfile.gettempdir()) / f"torchinductor_{getpass.getuser()}"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(
            "TORCHINDUCTOR_CACHE_DIR", os.environ.get("TORCHINDUCTOR_CACHE_DIR", str(kernels))
        )
        patch.setenv("TMPDIR", folder)
        patch.setattr(tempfile, "tempdir", folder)
        yield
