"""Find the files of data sets, and download those that are missing."""

import hashlib
import os
import urllib.request
from pathlib import Path

from advlearn.core.files import atomic_write

_TIMEOUT = 30.0  # seconds
_CHUNK = 2**20  # bytes


def folders() -> tuple[Path, ...]:
    """Return the folders that are searched for data files, in order."""
    return tuple(path for path in (_data_folder(), cache_folder()) if path is not None)


def cache_folder() -> Path:
    """Return the user's cache folder for downloaded data, which need not exist yet."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "advlearn"


def find(*parts: str) -> Path | None:
    """Find a file or folder in `folders()`.

    Args:
        parts: Parts of its path below a data folder.

    Returns:
        The first path that exists; None where there is none.
    """
    return next((path for folder in folders() if (path := folder.joinpath(*parts)).exists()), None)


def find_or_download(name: str, parts: tuple[str, ...], url: str, sha256: str) -> Path:
    """Find a file of a data set in `folders()`, or download it into the cache.

    Args:
        name: Name of the data set, for the message.
        parts: Parts of the file's path below a data folder.
        url: Address of the published file.
        sha256: Checksum of the published file; a download with another one is refused.

    Returns:
        The path of the file.

    Raises:
        FileNotFoundError: The file is missing and cannot be downloaded.
    """
    path = find(*parts)
    if path is not None:
        return path
    target = cache_folder().joinpath(*parts)
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer, atomic_write(target) as file:
            digest = hashlib.sha256()
            while chunk := answer.read(_CHUNK):
                digest.update(chunk)
                file.write(chunk)
            # An error here leaves no file.
            if digest.hexdigest() != sha256:
                raise ValueError(f"{url} has another checksum than the published file")
    except Exception as error:
        raise unavailable(name, error) from error
    return target


def unavailable(name: str, error: Exception) -> FileNotFoundError:
    """Return a one-line error: the searched folders, the failure of the download, and a fix."""
    reason = " ".join(f"{type(error).__name__}: {error}".split())
    where = " or ".join(map(str, folders()))
    return FileNotFoundError(
        f"data: {name!r} is not in {where}, and downloading it failed ({reason}); "
        "set ADVLEARN_DATA to a folder that has it, or take data that needs no "
        "download, such as 'digits' or 'biased-groups'"
    )


def _data_folder() -> Path | None:
    if os.environ.get("ADVLEARN_DATA"):
        return Path(os.environ["ADVLEARN_DATA"]).expanduser()
    checkout = Path(__file__).parents[2]
    return checkout.parent / "shared" / "data" if (checkout / "pyproject.toml").exists() else None
