"""Remove what tests and doctests leave: temporary files, and names that they register."""

import getpass
import os
import tempfile
from collections.abc import Iterator
from dataclasses import replace
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


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Forget after the test what it registers."""
    from advlearn.core import registry

    registry.entries()
    before = registry._added
    own = replace(
        before,
        objects={kind: dict(named) for kind, named in before.objects.items()},
        aliases={kind: dict(named) for kind, named in before.aliases.items()},
    )
    monkeypatch.setattr(registry, "_added", own)
    yield
    monkeypatch.undo()
    if (own.objects, own.aliases) != (before.objects, before.aliases):
        registry.entries.cache_clear()


@pytest.fixture(autouse=True)
def _forgets_names_of_doctests(request: pytest.FixtureRequest) -> None:
    # Another test of the same worker may use the names of an example.
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("registered")
