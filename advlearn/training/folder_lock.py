"""Let only one run write to a folder."""

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from advlearn.core import distributed
from advlearn.core.locking import try_lock

NAME: Final = ".lock"
"""Name of the file in the folder."""

_held: dict[Path, int] = {}  # descriptors of this process's locks, by the folder


class FolderInUseError(ValueError):
    """Raised for a folder that another run writes to."""


@contextmanager
def folder_lock(folder: Path | str | None) -> Generator[None]:
    """Keep other runs out of a folder within a block; reading stays possible.

    The lock is a file ``.lock`` that names the process, and that the system unlocks when the
    process ends, also by a crash. On a file system without locks nothing is locked. Of several
    processes of a run only the first one locks.

    Args:
        folder: The folder, which is created; None locks nothing.

    Raises:
        FolderInUseError: A ValueError: another run uses the folder; the message names its process,
            its computer and its start.
        OSError: The folder cannot be written to.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with folder_lock(folder):
        ...     [path.name for path in folder.iterdir()]
        ['.lock']
        >>> list(folder.iterdir())
        []
    """
    if folder is None or distributed.rank() != 0:
        yield
        return
    place = Path(folder).absolute()
    is_new = not place.exists()
    try:
        _held[place] = _lock(place)
    except OSError as error:
        raise OSError(
            f"out: cannot write to {place}: {error.strerror}; choose another folder"
        ) from error
    try:
        yield
    finally:
        # A forked process that leaves the block has no lock.
        descriptor = _held.pop(place, None)
        if descriptor is not None:
            _unlock(place, descriptor)
        if is_new:
            # A run that was refused leaves no folder; one with files is kept.
            with suppress(OSError):
                place.rmdir()


def renew(folder: Path) -> None:
    """Lock a folder again that this process has locked and that was deleted since then."""
    place = folder.absolute()
    descriptor = _held.get(place)
    if descriptor is not None and not _is_file(place / NAME, descriptor):
        _held[place] = _lock(place)
        os.close(descriptor)


def _lock(folder: Path) -> int:
    """Return the descriptor of the locked file of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    while True:
        descriptor = os.open(path, flags, 0o666)
        locked = try_lock(descriptor)
        if locked is False:
            os.close(descriptor)
            raise FolderInUseError(
                f"out: expected a folder that no other run writes to, got {folder}, which "
                f"{_holder(path)} uses; wait for it, stop it, or choose another folder"
            )
        # The run before may have removed the file between the two calls.
        if locked is None or _is_file(path, descriptor):
            # The text is only for the message to others, so a full disk does no harm here.
            with suppress(OSError):
                os.ftruncate(descriptor, 0)
                os.write(descriptor, _this_process().encode())
            return descriptor
        os.close(descriptor)


def _unlock(folder: Path, descriptor: int) -> None:
    """Remove the file while it is locked, then free it."""
    if os.name == "posix" and _is_file(folder / NAME, descriptor):
        with suppress(OSError):
            (folder / NAME).unlink()
    os.close(descriptor)


def _is_file(path: Path, descriptor: int) -> bool:
    """Return whether a path still leads to an open file."""
    try:
        return os.path.samestat(os.stat(path, follow_symlinks=False), os.fstat(descriptor))
    except (FileNotFoundError, NotADirectoryError):
        return False


def _this_process() -> str:
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    return json.dumps({"pid": os.getpid(), "host": socket.gethostname(), "since": now})


def _holder(path: Path) -> str:
    """Return who holds a lock, from the text in its file."""
    try:
        note = json.loads(path.read_text(encoding="utf-8")[:1000])
        return f"process {int(note['pid'])} on {note['host']!s} since {note['since']!s}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"


def _forget() -> None:
    """Close the locks in a forked process, so that they end with the process that took them."""
    for descriptor in _held.values():
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
