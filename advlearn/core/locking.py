"""Exclusive locks on open files, which the system frees when a process ends."""

import errno
import sys

if sys.platform == "win32":  # pragma: no cover
    import msvcrt
    import os

    _PLACE = 2**30  # a lock on Windows forbids reading, so it is on a byte that the file lacks

    def try_lock(descriptor: int) -> bool | None:
        """Lock an open file if no other process has locked it; return whether it is locked."""
        os.lseek(descriptor, _PLACE, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True

else:
    import fcntl

    _HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES}

    def try_lock(descriptor: int) -> bool | None:
        """Lock an open file if no other open file has locked it.

        The lock ends when the file is closed, also by the end of the process.

        Args:
            descriptor: Descriptor of the file.

        Returns:
            True if it is locked now, False if another holds the lock, None if the file system has
            no locks.
        """
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            return False if error.errno in _HELD else None
        return True
