"""Atomic writing of files: a temporary file in the same folder is renamed when complete."""

import os
import re
import secrets
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from advlearn.core.locking import try_lock

_NEW = (
    os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
)
_LONGEST = 40  # characters of a name in that of its temporary file; systems allow 255 bytes


class RefusedFileError(ValueError):
    """Raised for a file that is damaged, is of another kind, or is too large to read."""


@contextmanager
def atomic_write(path: Path) -> Generator[BinaryIO]:
    """Open a temporary file that replaces `path` only when it is complete on disk.

    An exception, a full disk or a killed process leaves the earlier file unchanged. Each call
    makes a temporary file with a new name in the same folder, so that two writers never share one;
    it does not follow links. It removes the temporary files that killed processes left. The new
    file has the permissions of the file that it replaces, or those of any new file.

    Args:
        path: The file to create or replace; its folder is created.

    Yields:
        The temporary file, open for reading and writing bytes.

    Raises:
        OSError: The folder or the file cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "runs" / "note.txt"
        >>> with atomic_write(path) as file:
        ...     _ = file.write(b"whole")
        >>> path.read_text()
        'whole'
    """
    if path.is_dir():
        raise IsADirectoryError(
            f"path: expected a file to write, got the folder {path}; add the name of a file"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    temporary, descriptor = _open_new(path)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            _keep_permissions(path, temporary)
            yield file
            file.flush()
            os.fsync(file.fileno())
            if os.name == "posix":
                # The file is still open, so that no other process takes it for abandoned.
                os.replace(temporary, path)
        if os.name != "posix":
            os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _open_new(path: Path) -> tuple[Path, int]:
    """Create a locked file with a new name next to `path`; return its path and its descriptor."""
    while True:
        temporary = path.with_name(f"{_prefix(path)}{secrets.token_hex(8)}.tmp")
        # The system applies the umask to these permissions.
        descriptor = os.open(temporary, _NEW, 0o666)
        # Another process may have taken the file for abandoned before it was locked.
        taken = try_lock(descriptor) is False or not os.fstat(descriptor).st_nlink
        if not taken or os.name != "posix":
            return temporary, descriptor
        os.close(descriptor)


def _prefix(path: Path) -> str:
    return f".{path.name[:_LONGEST]}."


def _keep_permissions(path: Path, temporary: Path) -> None:
    """Give the temporary file the permissions of the regular file that it replaces."""
    with suppress(FileNotFoundError):
        mode = os.lstat(path).st_mode
        if stat.S_ISREG(mode):
            os.chmod(temporary, stat.S_IMODE(mode))


def _remove_abandoned(path: Path) -> None:
    """Remove the temporary files of this user that no process holds open and locked."""
    if os.name != "posix":
        return
    name = re.compile(re.escape(_prefix(path)) + r"[0-9a-f]{16}\.tmp")
    for found in filter(name.fullmatch, os.listdir(path.parent)):
        # Another process may remove the file at the same time, or the folder is shared.
        with suppress(OSError):
            _remove_if_abandoned(path.with_name(found))


def _remove_if_abandoned(temporary: Path) -> None:
    descriptor = os.open(temporary, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        found = os.fstat(descriptor)
        if stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and try_lock(descriptor):
            temporary.unlink()
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Flush the renaming to disk where the system can (Windows cannot open a folder)."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
