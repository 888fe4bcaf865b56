"""Where the files of data sets are looked for, and how one that is nowhere is downloaded."""

import hashlib
import os
import tempfile
import urllib.request
from pathlib import Path

_TIMEOUT = 30.0  # seconds without an answer


def folders() -> tuple[Path, ...]:
    """Return the folders that are looked through for data files, first one first."""
    return tuple(path for path in (_data_folder(), cache_folder()) if path is not None)


def cache_folder() -> Path:
    """Return the user's own folder for downloaded data; it need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "advlearn"


def find(*parts: str) -> Path | None:
    """Return the first file or folder of this name in `folders()`, None where there is none."""
    return next((path for folder in folders() if (path := folder.joinpath(*parts)).exists()), None)


def find_or_download(name: str, parts: tuple[str, ...], url: str, sha256: str) -> Path:
    """Return a file of a data set, from `folders()` or else downloaded into the cache.

    Args:
        name: The data set, for the message.
        parts: The file's place below a data folder.
        url: Where it is published.
        sha256: The published file's checksum; a download with another one is refused.

    Raises:
        FileNotFoundError: Neither at hand nor to be had.
    """
    path = find(*parts)
    if path is not None:
        return path
    target = cache_folder().joinpath(*parts)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:
            content = answer.read()
        if hashlib.sha256(content).hexdigest() != sha256:
            raise ValueError(f"{url} is not the file that was published: its checksum differs")
        # Written beside it and moved, so that no other process sees half a file.
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as part:
            part.write(content)
        os.replace(part.name, target)
    except Exception as error:
        raise not_to_be_had(name, error) from error
    return target


def not_to_be_had(name: str, error: Exception) -> FileNotFoundError:
    """Say in one line where a data set was looked for and why its download failed."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    where = " or ".join(map(str, folders()))
    return FileNotFoundError(
        f"data: {name!r} is not in {where}, and downloading it failed ({reason})"
    )


def _data_folder() -> Path | None:
    if os.environ.get("ADVLEARN_DATA"):
        return Path(os.environ["ADVLEARN_DATA"]).expanduser()
    checkout = Path(__file__).parents[2]
    return checkout.parent / "shared" / "data" if (checkout / "pyproject.toml").exists() else None
